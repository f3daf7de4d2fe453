from __future__ import annotations

import pytest

from tests.core.api.by_hand import put_stage
from tests.core.api.expecting import BUNDLES
from ticketgen.domain.sessions import Stage
from ticketgen.domain.stages import MOVES, Mover, may_follow, rollback_targets
from ticketgen.plugin import StageMoves
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen.testing import Api, start_session

_ORDER = list(Stage)


def _moved(moves: StageMoves) -> set[tuple[Stage, Stage]]:
    """Every pair of stages that starts and ends of a task lead from and to."""
    pairs = set()
    for allowed in moves.allowed:
        at_work = moves.on_start or allowed
        pairs |= {(allowed, at_work)} if moves.on_start else set()
        ends = (moves.on_success, moves.on_failure, moves.on_cancel)
        pairs |= {(at_work, end) for end in ends if end is not None}
    return pairs


def test_the_tasks_of_the_product_move_sessions_as_the_table_has_it(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    tasks = load_registry(Settings()).tasks

    by_table = {
        by: {(move.start, move.to) for move in MOVES if move.by is by}
        for by in (Mover.GENERATION, Mover.EXPORT)
    }
    by_task = {name: _moved(item.task.stages) for name, item in tasks.items() if item.task.stages}

    # What stays where it is has to be said of an export only, which is in the middle of one.
    assert by_task.pop("processing") == by_table[Mover.GENERATION]
    assert (
        by_task.pop("export") | {(Stage.JIRA_EXPORT, Stage.JIRA_EXPORT)} == (by_table[Mover.EXPORT])
    )
    assert set().union(*by_task.values()) == set()


def test_a_rollback_goes_back_and_never_forward_and_reaches_the_beginning_from_everywhere() -> None:
    for stage in Stage:
        targets = rollback_targets(stage)

        assert all(_ORDER.index(target) < _ORDER.index(stage) for target in targets)
        assert (Stage.SITE_INFO_COLLECTION in targets) is (stage is not _ORDER[0])
        assert not {Stage.PROCESSING, Stage.JIRA_EXPORT, Stage.COMPLETED} & set(targets)


def test_every_stage_is_reached_and_none_but_a_good_end_leads_to_the_last() -> None:
    assert {move.to for move in MOVES} == set(Stage)
    assert [move.start for move in MOVES if move.to is Stage.COMPLETED] == [Stage.JIRA_EXPORT]


@pytest.mark.services
async def test_files_may_come_in_exactly_the_stages_of_the_table(
    api: Api, subtests: pytest.Subtests
) -> None:
    session_id = await start_session(api)
    for stage in Stage:
        with subtests.test(stage=stage):
            await put_stage(api, session_id, stage)

            answer = await api.client.post(
                f"/api/sessions/{session_id}/uploads",
                files=[("files", ("Bundles.csv", BUNDLES, "text/csv"))],
            )

            allowed = may_follow(stage, Stage.UPLOAD, by=Mover.FILES)
            assert answer.status_code == (201 if allowed else 409)
            session = (await api.client.get(f"/api/sessions/{session_id}")).json()
            assert session["stage"] == (Stage.UPLOAD if allowed else stage)
