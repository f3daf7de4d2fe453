"""Whether a campaign was survived: pure judgement over what was started, done and stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

from benchmarks.chaos.counting import Creation
from benchmarks.chaos.evidence import Evidence
from benchmarks.chaos.journal import Silence
from benchmarks.chaos.plan import Kind, PlannedRun
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import RunState, TaskRun

__all__ = ["Case", "KindCount", "Travelled", "Verdict", "broken_rows", "judge", "pid_of"]

_POISON = "poison"


@dataclass(frozen=True, kw_only=True)
class Travelled:
    """What became of one session's journey."""

    session_id: UUID | None
    runs: Sequence[UUID]
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that is judged."""

    planned: Sequence[PlannedRun]
    started: Mapping[int, UUID]
    journeys: Sequence[Travelled]
    evidence: Evidence
    creations: Sequence[Creation]
    silences: Sequence[Silence]


@dataclass(kw_only=True)
class KindCount:
    """How the runs of one kind ended."""

    expected: str
    started: int = 0
    as_expected: int = 0
    condemned: int = 0
    """Failed as poison though innocent: its workers were killed too often, the last time alone."""
    repeated: int = 0
    """Failed, started again by hand, and completed then; of sessions only."""


@dataclass(kw_only=True)
class Verdict:
    """What was found; `is_good` if nothing was."""

    kinds: dict[str, KindCount] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Effects that a completed run promises and that never happened."""
    wrong: list[str] = field(default_factory=list)
    """Runs that ended otherwise than they should."""
    broken: list[str] = field(default_factory=list)
    """Invariants of the stored rows that do not hold."""
    leaked: list[str] = field(default_factory=list)
    """Processes, slots and connections that were not given back."""

    @property
    def is_good(self) -> bool:
        """Whether everything is as it should be."""
        return not any(
            (
                self.lost,
                self.stuck,
                self.doubled,
                self.missing,
                self.wrong,
                self.broken,
                self.leaked,
            )
        )


def judge(case: Case, *, leaked: Collection[str] = ()) -> Verdict:
    """Look at every run that was started, at every row, and at everything that was created."""
    verdict = Verdict(leaked=list(leaked))
    for planned in case.planned:
        _judge_planned(case, planned, verdict)
    for journey in case.journeys:
        _judge_journey(case, journey, verdict)
    made = Counter(creation.key for creation in case.creations)
    manners = {creation.key: creation.manner for creation in case.creations}
    verdict.doubled += [
        f"{key}: created {number} times, last {manners[key]}"
        for key, number in made.items()
        if number > 1
    ]
    verdict.missing += [f"{key}: never created" for key in _promised(case) if not made[key]]
    for run in case.evidence.runs.values():
        verdict.broken += broken_rows(run, case.evidence.attempts.get(run.id, ()))
    return verdict


def _judge_planned(case: Case, planned: PlannedRun, verdict: Verdict) -> None:
    expected = _EXPECTED[planned.kind]
    count = verdict.kinds.setdefault(str(planned.kind), KindCount(expected=expected))
    run_id = case.started.get(planned.number)
    if run_id is None:
        verdict.stuck.append(f"{planned.kind} {planned.number}: could not be started")
        return
    count.started += 1
    run = case.evidence.runs.get(run_id)
    if run is None:
        verdict.lost.append(f"{planned.kind} {run_id}: is not in the database")
    elif run.is_active:
        verdict.stuck.append(_described(run))
    elif _outcome(run) == expected:
        count.as_expected += 1
        verdict.broken += _broken_work(case, planned, run)
    elif _is_condemned(case, run):
        count.condemned += 1
    else:
        verdict.wrong.append(f"{_described(run)}; should be {expected}")


_EXPECTED = {
    Kind.FAST: "completed",
    Kind.SLOW: "completed",
    Kind.FAILING: "failed user_fixable",
    Kind.FLAKY: "completed",
    Kind.BLOCKING: "completed",
    Kind.EFFECT: "completed",
    Kind.POISON: f"failed {_POISON}",
    Kind.CANCELLED: "cancelled",
}


def _outcome(run: TaskRun) -> str:
    if run.state is not RunState.FAILED:
        return str(run.state)
    error = run.error or {}
    return f"failed {_POISON if error.get('code') == _POISON else error.get('error_category')}"


def _described(run: TaskRun) -> str:
    error = f" ({run.error.get('code')}: {run.error.get('user_message')})" if run.error else ""
    return (
        f"{run.task_type} {run.id}: {run.state}{error}, attempt {run.attempt}, tries {run.tries}, "
        f"rescues {run.rescues}"
    )


def _is_condemned(case: Case, run: TaskRun) -> bool:
    """Whether it failed as poison, and each death of a worker under it was our own doing."""
    lost = [
        attempt
        for attempt in case.evidence.attempts.get(run.id, ())
        if attempt.outcome is AttemptOutcome.LOST
    ]
    explained = all(any(_struck(silence, attempt) for silence in case.silences) for attempt in lost)
    return _outcome(run) == f"failed {_POISON}" and bool(lost) and explained


def _struck(silence: Silence, attempt: RunAttempt) -> bool:
    over = attempt.ended_at is not None and attempt.ended_at < silence.at
    return pid_of(attempt) == silence.pid and attempt.started_at <= silence.at and not over


def pid_of(attempt: RunAttempt) -> int:
    """The process that worked on it; the row says `host:pid`."""
    return int(attempt.worker.rpartition(":")[2])


def _judge_journey(case: Case, journey: Travelled, verdict: Verdict) -> None:
    for run_id in journey.runs:
        run = case.evidence.runs.get(run_id)
        if run is None:
            verdict.lost.append(f"run {run_id} of session {journey.session_id}")
            continue
        count = verdict.kinds.setdefault(run.task_type, KindCount(expected="completed"))
        count.started += 1
        if run.is_active:
            verdict.stuck.append(_described(run))
        elif run.state is RunState.COMPLETED:
            count.as_expected += 1
        elif journey.is_complete:
            count.repeated += 1
        else:
            verdict.wrong.append(f"{_described(run)}; should be completed")
    if not journey.is_complete:
        verdict.stuck.append(f"session {journey.session_id}: its export was not completed")


def _promised(case: Case) -> Iterator[str]:
    """The keys of everything that must have been created."""
    for planned in case.planned:
        run = case.evidence.runs.get(case.started.get(planned.number, UUID(int=0)))
        if planned.kind is Kind.EFFECT and run is not None and run.state is RunState.COMPLETED:
            yield from (f"run:{planned.number}:{part}" for part in range(planned.parts))
    for journey in case.journeys:
        if journey.is_complete and journey.session_id is not None:
            for ticket in case.evidence.tickets.get(journey.session_id, ()):
                yield f"{journey.session_id}:{ticket}"


def _broken_work(case: Case, planned: PlannedRun, run: TaskRun) -> Iterator[str]:
    """What the result of a run says about how its parts were done."""
    if planned.kind is Kind.SLOW:
        attempts = (run.result_summary or {}).get("attempts", [])
        if len(attempts) != planned.parts or case.evidence.steps.get(run.id) != planned.parts:
            yield f"{_described(run)}: {len(attempts)} of {planned.parts} steps"
        if attempts != sorted(attempts):
            yield f"{_described(run)}: did steps again that were done: {attempts}"
    if planned.kind is Kind.FLAKY and run.tries <= planned.parts:
        yield f"{_described(run)}: completed after fewer tries than it failed"


def broken_rows(run: TaskRun, attempts: Sequence[RunAttempt]) -> Iterator[str]:
    """What of a run and its attempts cannot be, as the rows stand."""
    who = f"{run.task_type} {run.id}"
    numbers = [attempt.attempt for attempt in attempts]
    if numbers != list(range(1, run.attempt + 1)):
        yield f"{who}: attempt {run.attempt}, but the attempts stored are {numbers}"
    unended = [attempt.attempt for attempt in attempts if attempt.ended_at is None]
    if len(unended) > 1 or (unended and run.state is not RunState.RUNNING):
        yield f"{who}: {run.state} with the open attempts {unended}"
    if any(
        earlier.ended_at is not None and later.started_at < earlier.ended_at
        for earlier, later in pairwise(attempts)
    ):
        yield f"{who}: two attempts at the same time"
    if run.is_active:
        return
    if run.finished_at is None or run.announced_at is None:
        yield f"{who}: {run.state}, finished {run.finished_at}, announced {run.announced_at}"
    completed = sum(attempt.outcome is AttemptOutcome.COMPLETED for attempt in attempts)
    if completed != (run.state is RunState.COMPLETED):
        yield f"{who}: {run.state} with {completed} completed attempts"
