"""Exports to a tracker that creates something: one issue for each ticket, whatever goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, update

from tests.core import lab
from tests.plugins import journeys
from tests.plugins.export import tracker as tracker_of_tests
from tests.plugins.export.tracker import PLUGIN, Tracker, serving
from ticketgen import effects
from ticketgen.domain import effects as ledger
from ticketgen.domain import transitions
from ticketgen.domain.effects import Effect, EffectState
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.sessions import Stage, lock_session
from ticketgen.domain.task_runs import TaskRun
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, drain

pytestmark = pytest.mark.services

FILES = {"HM-1.txt", "HM-2.txt", "HM-3.txt", "results.csv", "results.html"}


@pytest.fixture
def installed(
    install_plugin: Callable[..., InstalledPlugin],
    monkeypatch: pytest.MonkeyPatch,
    clean_environment: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> InstalledPlugin:
    """A stranger's targets, installed before the host of the test starts."""
    monkeypatch.setattr(effects, "MARGIN", tracker_of_tests.MARGIN)
    # Each try is a run's own here, so that the tests stand between them.
    clean_environment.setenv("TICKETGEN_EXPORT_PATIENCE", "0")
    if "[late-" in request.node.name:
        monkeypatch.setattr(tracker_of_tests, "TIMEOUT", tracker_of_tests.BRIEF)
    return install_plugin("tracker", PLUGIN)


@pytest.fixture
async def runtime(installed: InstalledPlugin, settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings) as opened:
        yield opened


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    async with serving() as tracker:
        yield tracker


async def _start(api: Api, tracker: Tracker, session_id: str, target: str = "tracker") -> UUID:
    started = await journeys.start(
        api, "export", session_id, target=target, options={"url": tracker.url}
    )
    assert started.status_code == 202, started.text
    return UUID(started.json()["task_id"])


async def _drain(api: Api, *, patiently: bool = False) -> TaskRun:
    """Run and retry until nothing is queued; the run as it stands then.

    Before each try the time has passed in which a call of the one before may still do something;
    or it is waited for.
    """
    last: list[TaskRun] = []
    while settled := await drain(api.runtime):
        last = settled
        if not patiently:
            await _over(api)
        await asyncio.sleep(0.01)
    return last[-1]


async def _over(api: Api) -> None:
    async with api.runtime.session_factory() as db:
        await db.execute(
            update(Effect)
            .where(Effect.state == EffectState.INTENDED)
            .values(over_at=func.clock_timestamp())
        )
        await db.commit()


async def _recorded(api: Api, session_id: str) -> list[Effect]:
    async with api.runtime.session_factory() as db:
        return await ledger.list_effects(db, session_id=UUID(session_id), limit=100)


async def _lost(api: Api, run_id: UUID, attempt: int = 1) -> None:
    """What a rescue does when the lease of an attempt has run out."""
    async with api.runtime.session_factory() as db:
        await transitions.requeue_run(db, run_id, attempt, outcome=AttemptOutcome.LOST)
        await db.commit()


async def _at_work_again(api: Api, run_id: UUID) -> bool:
    return (await lab.run_of(api.runtime, run_id)).attempt == 2


def _one_each(tracker: Tracker, number: int = 3) -> bool:
    return len(tracker.markers) == len(set(tracker.markers)) == number


@pytest.mark.parametrize("lag", [0.0, 60.0], ids=["prompt search", "lagging search"])
@pytest.mark.parametrize("fault", ["late", "break", "refuse"])
async def test_each_ticket_is_created_once_when_an_answer_does_not_come(
    api: Api, tracker: Tracker, fault: str, lag: float
) -> None:
    session_id = await journeys.validated(api)
    tracker.index_lag = lag
    tracker.faults = {2: fault}
    await _start(api, tracker, session_id)

    run = await _drain(api, patiently=fault == "late")

    assert (run.status, run.tries) == ("completed", 2)
    assert _one_each(tracker)
    assert tracker.asked == (4 if fault == "refuse" else 3)
    assert {effect.state for effect in await _recorded(api, session_id)} == {EffectState.DONE}
    assert set(await journeys.exported(api, session_id)) == FILES


async def test_each_ticket_is_created_once_when_the_ledger_is_away_after_the_answer(
    api: Api, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await journeys.validated(api)
    monkeypatch.setattr(effects, "_RECORD_FOR", 0.0)
    record = ledger.record_result
    calls: list[int] = []

    async def sometimes(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ConnectionResetError("Postgres is away.")
        return await record(*arguments)

    monkeypatch.setattr(ledger, "record_result", sometimes)
    await _start(api, tracker, session_id)

    run = await _drain(api)

    assert (run.status, run.tries, tracker.asked) == ("completed", 2, 3)
    assert _one_each(tracker)


async def test_an_attempt_that_is_overtaken_while_it_sends_leaves_its_issue_to_the_next(
    api: Api, tracker: Tracker
) -> None:
    session_id = await journeys.validated(api)
    tracker.faults = {2: "slow"}
    run_id = await _start(api, tracker, session_id)

    first = asyncio.create_task(drain(api.runtime))
    await tracker.waiting.wait()
    await _lost(api, run_id)
    others = asyncio.create_task(_drain(api))
    await lab.until(lambda: _at_work_again(api, run_id))
    tracker.go_on.set()
    second = await others
    await first

    assert (second.status, second.attempt) == ("completed", 2)
    assert _one_each(tracker)
    assert tracker.asked == 3


@asynccontextmanager
async def _worker(runtime: Runtime, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process on the servers of the test; it never outlives the block."""
    environment = {
        **os.environ,  # noqa: TID251 - handed to a process
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TICKETGEN_DATABASE_URL": str(runtime.settings.database_url),
        "TICKETGEN_REDIS_URL": str(runtime.settings.redis_url),
        "TICKETGEN_DATA_DIR": str(folder),
    }
    with (folder / "worker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ticketgen.cli.worker", env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_each_ticket_is_created_once_when_its_worker_is_killed_before_it_recorded_it(
    api: Api, tracker: Tracker, tmp_path: Path
) -> None:
    session_id = await journeys.validated(api)
    tracker.faults = {2: "hang"}
    run_id = await _start(api, tracker, session_id)

    async with _worker(api.runtime, tmp_path) as process:
        async with asyncio.timeout(90):
            await tracker.hanging.wait()
        process.send_signal(signal.SIGKILL)
        await process.wait()
    left_behind = {effect.state for effect in await _recorded(api, session_id)}
    await _lost(api, run_id)
    await _over(api)
    run = await _drain(api)

    assert left_behind == {EffectState.DONE, EffectState.INTENDED}
    assert (run.status, run.attempt) == ("completed", 2)
    assert _one_each(tracker)
    assert tracker.asked == 3


async def test_where_a_target_cannot_tell_the_export_asks_and_goes_on_with_the_answer(
    api: Api, tracker: Tracker
) -> None:
    session_id = await journeys.validated(api)
    tracker.index_lag = 60.0
    tracker.faults = {2: "break"}
    await _start(api, tracker, session_id, "search")
    stopped = await _drain(api)
    [open_question] = [
        effect
        for effect in await _recorded(api, session_id)
        if effect.state is EffectState.INTENDED
    ]
    created_so_far = list(tracker.markers)

    async with api.runtime.session_factory() as db:
        await ledger.settle_by_hand(db, open_question.name, {"reference": "HM-2"})
        await db.commit()
    await _start(api, tracker, session_id, "search")
    done = await _drain(api)

    assert stopped.error is not None
    assert (stopped.status, stopped.error["code"]) == ("failed", "outcome_unknown")
    assert "ticketgen effects settle export send:search" in str(stopped.error["recovery_actions"])
    assert len(created_so_far) == 2
    assert done.status == "completed"
    assert _one_each(tracker)


async def test_a_record_that_cannot_be_read_is_asked_for_anew(api: Api, tracker: Tracker) -> None:
    session_id = await journeys.validated(api)
    await journeys.do(api, "export", session_id, target="tracker", options={"url": tracker.url})
    recorded = await _recorded(api, session_id)
    async with api.runtime.session_factory() as db:
        await ledger.settle_by_hand(db, recorded[0].name, "HM-1", overwrite=True)
        await db.commit()
    await _reopen(api, session_id)

    await _start(api, tracker, session_id)
    run = await _drain(api)

    assert run.error is not None
    assert (run.status, run.error["code"]) == ("failed", "export.unreadable_record")
    assert "--overwrite" in str(run.error["recovery_actions"])
    assert _one_each(tracker)


async def _reopen(api: Api, session_id: str, *, project_key: str | None = None) -> None:
    """Put a completed session back to where an export that failed leaves it."""
    async with api.runtime.session_factory() as db:
        session = await lock_session(db, UUID(session_id))
        session.stage = Stage.JIRA_EXPORT
        session.jira_project_key = project_key
        await db.commit()


async def test_what_was_edited_after_it_was_sent_is_listed_for_mending_by_hand(
    api: Api, tracker: Tracker
) -> None:
    session_id = await journeys.validated(api)
    await journeys.do(api, "export", session_id, target="tracker", options={"url": tracker.url})
    await _reopen(api, session_id)
    first, *_ = await journeys.tickets(api, session_id)

    await journeys.edit(api, session_id, first, title="Mended")
    await journeys.do(api, "adf_validation", session_id)
    summary = await journeys.do(
        api, "export", session_id, target="tracker", options={"url": tracker.url}
    )

    assert summary["manual_fixes"] == [
        '"Mended" was edited after it had been sent: bring HM-1 up to date by hand.'
    ]
    assert _one_each(tracker)
    assert set(await journeys.exported(api, session_id)) == FILES


async def test_another_project_gets_issues_of_its_own(api: Api, tracker: Tracker) -> None:
    session_id = await journeys.validated(api)
    await journeys.do(api, "export", session_id, target="tracker", options={"url": tracker.url})
    await _reopen(api, session_id, project_key="HM")

    await journeys.do(api, "export", session_id, target="tracker", options={"url": tracker.url})

    assert tracker.asked == 6
    assert {effect.operation for effect in await _recorded(api, session_id)} == {
        "send:tracker",
        "send:tracker:HM",
    }
