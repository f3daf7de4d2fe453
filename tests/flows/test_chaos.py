from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from benchmarks.chaos.counting import Creation
from benchmarks.chaos.evidence import Evidence
from benchmarks.chaos.figures import measure
from benchmarks.chaos.journal import Outage, Silence
from benchmarks.chaos.plan import Kind, PlannedRun, plan_runs
from benchmarks.chaos.shape import short_shape
from benchmarks.chaos.verdict import Case, Travelled, Verdict, judge
from tests.flows.commands import environment
from tests.rules.tree import ROOT
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import RunState, TaskRun

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
_PID = 4711


@pytest.mark.services
@pytest.mark.timeout(400)
def test_nothing_is_lost_doubled_or_stuck_in_a_short_chaos(tmp_path: Path) -> None:
    found = tmp_path / "found.json"

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.chaos", "--short", "--seed", "1"),
            *("--json", str(found), "--logs", str(tmp_path / "logs")),
        ],
        cwd=ROOT,
        env=environment("chaos"),
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )

    assert found.exists(), ended.stderr
    report = json.loads(found.read_text())
    assert (report["lost"], report["doubled"], report["stuck"]) == (0, 0, 0), ended.stdout
    assert ended.returncode == 0, ended.stdout
    assert report["started"] > 40
    assert report["figures"]["attempts_lost"] > 0, "nothing was rescued: that was no chaos"


def _at(seconds: float) -> datetime:
    return _NOON + timedelta(seconds=seconds)


def _planned(kind: Kind = Kind.FAST) -> PlannedRun:
    return PlannedRun(number=7, kind=kind, at=0.0, parts=2, seconds=0.0)


def _run(kind: str = "chaos.fast", state: RunState = RunState.COMPLETED, **given: Any) -> TaskRun:
    ended = state not in {RunState.QUEUED, RunState.RUNNING, RunState.PARKED}
    usual = {
        "id": uuid7(),
        "task_type": kind,
        "state": state,
        "attempt": 1,
        "tries": 1,
        "rescues": 0,
        "created_at": _at(0),
        "finished_at": _at(3) if ended else None,
        "announced_at": _at(3) if ended else None,
        "cancel_requested_at": None,
        "error": None,
        "result_summary": {},
    }
    return TaskRun(**(usual | given))


def _attempt(
    run: TaskRun,
    number: int = 1,
    outcome: AttemptOutcome | None = AttemptOutcome.COMPLETED,
    **g: Any,
) -> RunAttempt:
    usual = {
        "run_id": run.id,
        "attempt": number,
        "worker": f"host:{_PID}",
        "alone": False,
        "started_at": _at(number),
        "lease_expires_at": _at(number + 20),
        "ended_at": _at(number + 0.5) if outcome else None,
        "outcome": outcome,
    }
    return RunAttempt(**(usual | g))


def _judged(
    run: TaskRun | None,
    attempts: Sequence[RunAttempt] | None = None,
    *,
    planned: PlannedRun | None = None,
    creations: Sequence[str] = (),
    silences: Sequence[Silence] = (),
    steps: int = 0,
) -> Verdict:
    planned = planned or _planned(Kind(run.task_type) if run else Kind.FAST)
    run_id = run.id if run else uuid7()
    stored = [_attempt(run)] if run and attempts is None else attempts or []
    return judge(
        Case(
            planned=[planned],
            started={planned.number: run_id},
            journeys=[],
            evidence=Evidence(
                runs={run.id: run} if run else {},
                attempts={run_id: stored},
                steps={run_id: steps},
            ),
            creations=[
                Creation(number=number, key=key, at=_NOON, manner="at once")
                for number, key in enumerate(creations)
            ],
            silences=silences,
        )
    )


def test_a_run_that_ended_as_it_should_is_no_finding() -> None:
    verdict = _judged(_run())

    assert verdict.is_good
    assert verdict.kinds["chaos.fast"].as_expected == 1


def test_a_run_that_the_system_had_and_the_database_has_not_is_lost() -> None:
    verdict = _judged(None)

    assert len(verdict.lost) == 1
    assert not verdict.is_good


def test_a_run_that_has_not_ended_is_stuck() -> None:
    run = _run(state=RunState.QUEUED, attempt=0)

    verdict = _judged(run, [])

    assert len(verdict.stuck) == 1
    assert not verdict.is_good


def test_a_planned_run_that_never_got_into_the_system_is_stuck() -> None:
    verdict = judge(
        Case(
            planned=[_planned()],
            started={},
            journeys=[],
            evidence=Evidence(runs={}),
            creations=[],
            silences=[],
        )
    )

    assert len(verdict.stuck) == 1


def test_an_effect_that_happened_twice_is_doubled() -> None:
    run = _run("chaos.effect")

    verdict = _judged(run, creations=["run:7:0", "run:7:1", "run:7:1"])

    assert [line.split(",")[0] for line in verdict.doubled] == ["run:7:1: created 2 times"]
    assert not verdict.missing


def test_an_effect_that_a_completed_run_promises_must_have_happened() -> None:
    run = _run("chaos.effect")

    verdict = _judged(run, creations=["run:7:0"])

    assert verdict.missing == ["run:7:1: never created"]


@pytest.mark.parametrize(
    ("kind", "state", "error"),
    [
        ("chaos.fast", RunState.FAILED, {"code": "unexpected", "error_category": "admin_required"}),
        ("chaos.failing", RunState.COMPLETED, None),
        ("chaos.failing", RunState.FAILED, {"code": "temporary", "error_category": "temporary"}),
        ("chaos.poison", RunState.COMPLETED, None),
        ("chaos.cancelled", RunState.COMPLETED, None),
    ],
)
def test_an_ending_of_another_sort_than_planned_is_wrong(
    kind: str, state: RunState, error: dict[str, str] | None
) -> None:
    run = _run(kind, state, error=error)
    outcome = AttemptOutcome.COMPLETED if error is None else AttemptOutcome.FAILED

    verdict = _judged(run, [_attempt(run, outcome=outcome)])

    assert len(verdict.wrong) == 1
    assert not verdict.broken


def _poisoned() -> tuple[TaskRun, list[RunAttempt]]:
    error = {"code": "poison", "error_category": "admin_required"}
    run = _run("chaos.slow", RunState.FAILED, attempt=3, rescues=3, error=error)
    return run, [_attempt(run, number, AttemptOutcome.LOST) for number in (1, 2, 3)]


def test_an_innocent_run_may_fail_as_poison_only_if_we_killed_its_workers() -> None:
    run, attempts = _poisoned()
    kills = [Silence(pid=_PID, at=_at(number + 0.2), until=None) for number in (1, 2, 3)]

    excused = _judged(run, attempts, silences=kills)
    unexplained = _judged(run, attempts, silences=kills[:2])

    assert (excused.is_good, excused.kinds["chaos.slow"].condemned) == (True, 1)
    assert len(unexplained.wrong) == 1


@pytest.mark.parametrize(
    ("attempts", "broken"),
    [
        ([(1, "lost", 1.0, 1.5), (3, "completed", 3.0, 3.5)], "the attempts stored are [1, 3]"),
        ([(1, "lost", 1.0, None), (2, "completed", 2.0, 2.5)], "with the open attempts [1]"),
        ([(1, "lost", 1.0, 2.5), (2, "completed", 2.0, 3.0)], "two attempts at the same time"),
        ([(1, "completed", 1.0, 1.5), (2, "completed", 2.0, 2.5)], "with 2 completed attempts"),
    ],
)
def test_rows_that_contradict_each_other_are_found(
    attempts: list[tuple[int, str, float, float | None]], broken: str
) -> None:
    run = _run(attempt=2)
    rows = [
        _attempt(
            run,
            number,
            AttemptOutcome(outcome),
            started_at=_at(began),
            ended_at=None if ended is None else _at(ended),
        )
        for number, outcome, began, ended in attempts
    ]

    verdict = _judged(run, rows)

    assert any(broken in line for line in verdict.broken), verdict.broken


def test_an_ending_that_nobody_was_told_of_is_found() -> None:
    verdict = _judged(_run(announced_at=None))

    assert len(verdict.broken) == 1


def test_steps_that_were_done_again_are_found() -> None:
    run = _run("chaos.slow", result_summary={"attempts": [2, 1]})

    verdict = _judged(run, steps=2)

    assert "did steps again" in verdict.broken[0]


def test_a_session_whose_export_never_ended_is_stuck() -> None:
    run = _run("export", RunState.RUNNING)
    session_id = UUID(int=1)

    verdict = judge(
        Case(
            planned=[],
            started={},
            journeys=[Travelled(session_id=session_id, runs=[run.id], is_complete=False)],
            evidence=Evidence(runs={run.id: run}, attempts={run.id: [_attempt(run, outcome=None)]}),
            creations=[],
            silences=[],
        )
    )

    assert len(verdict.stuck) == 2
    assert not verdict.broken


def test_a_rescue_is_measured_from_the_kill_to_the_next_claim() -> None:
    run = _run(attempt=2)
    attempts = [
        _attempt(run, 1, AttemptOutcome.LOST, started_at=_at(1), ended_at=_at(24)),
        _attempt(run, 2, started_at=_at(25), ended_at=_at(26)),
    ]
    evidence = Evidence(runs={run.id: run}, attempts={run.id: attempts})
    kill = Silence(pid=_PID, at=_at(4), until=None)
    outage = Outage(server="redis", at=_at(10), until=_at(12))

    calm = measure(evidence, [kill], [])
    stormy = measure(evidence, [kill], [outage])
    blind = measure(evidence, [kill], [replace(outage, server="postgres")])

    assert (calm.noticed.worst, calm.running_again.worst) == (20, 21)
    assert (calm.running_again_undisturbed.number, calm.lost_by_the_living) == (1, 0)
    assert stormy.running_again_undisturbed.number == 0
    assert (stormy.noticed_undisturbed.number, blind.noticed_undisturbed.number) == (1, 0)
    assert measure(evidence, [], []).lost_by_the_living == 1


def test_the_same_seed_plans_the_same_runs_of_every_kind() -> None:
    plans = [plan_runs(short_shape(), random.Random(seed)) for seed in ("1", "1", "2")]

    assert plans[0] == plans[1] != plans[2]
    assert {planned.kind for planned in plans[0]} == set(Kind)
