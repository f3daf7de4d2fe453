"""How fast the system was back on its feet; figures to read, never to pass or fail by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from benchmarks.chaos.evidence import Evidence
from benchmarks.chaos.journal import Outage, Silence
from benchmarks.chaos.verdict import pid_of
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt

__all__ = ["Figures", "Worst", "measure", "most_at_once"]


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The worst and the middle of some durations, in seconds."""

    number: int = 0
    middle: float | None = None
    worst: float | None = None
    which: str = ""
    """What took longest."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is measured at a campaign."""

    attempts: int
    attempts_lost: int
    lost_by_the_living: int
    """Leases that ran out though nobody had killed or frozen the worker, nor taken Postgres."""
    noticed: Worst
    """From the death of a worker to the moment its run is taken away from it."""
    noticed_undisturbed: Worst
    """The same, where Postgres was there all that time; without it nobody can notice anything."""
    running_again: Worst
    """From the death of a worker to the next claim of its run; waits for a free slot included."""
    running_again_undisturbed: Worst
    """The same, where neither server was away in that time, and the run needed no worker for
    itself alone, as one does that two workers have died under."""
    after_postgres: Worst
    """From the return of Postgres to the next claim, where somebody waited."""
    after_redis: Worst
    cancelled: Worst
    """From the wish to the end, of runs at work in a worker that nobody touched meanwhile."""


def measure(evidence: Evidence, silences: Sequence[Silence], outages: Sequence[Outage]) -> Figures:
    """Measure what the rows and the journal allow."""
    attempts = [attempt for several in evidence.attempts.values() for attempt in several]
    lost = [attempt for attempt in attempts if attempt.outcome is AttemptOutcome.LOST]
    rescues = list(_rescues(evidence, silences))
    return Figures(
        attempts=len(attempts),
        attempts_lost=len(lost),
        lost_by_the_living=sum(not _is_excused(attempt, silences, outages) for attempt in lost),
        noticed=_worst([_Took(which=it.which, time=it.noticed - it.at) for it in rescues]),
        noticed_undisturbed=_worst(
            [
                _Took(which=it.which, time=it.noticed - it.at)
                for it in rescues
                if not any(
                    outage.server == "postgres" and _meets(outage, it.at, it.noticed)
                    for outage in outages
                )
            ]
        ),
        running_again=_worst([took for it in rescues for took in it.again]),
        running_again_undisturbed=_worst(
            [took for it in rescues if it.is_undisturbed(outages) for took in it.again]
        ),
        after_postgres=_worst(_pickups(evidence, outages, "postgres")),
        after_redis=_worst(_pickups(evidence, outages, "redis")),
        cancelled=_worst(list(_cancellations(evidence, silences, outages))),
    )


def most_at_once(attempts: Sequence[RunAttempt]) -> int:
    """How many of the attempts were under way at the same moment."""
    edges = sorted(
        [(attempt.started_at, 1) for attempt in attempts]
        + [(attempt.ended_at, -1) for attempt in attempts if attempt.ended_at is not None]
    )
    most = now = 0
    for _, change in edges:
        now += change
        most = max(most, now)
    return most


@dataclass(frozen=True, kw_only=True)
class _Took:
    which: str
    time: timedelta


@dataclass(frozen=True, kw_only=True)
class _Rescue:
    """An attempt that died in a silence: when that began, was noticed, and was mended."""

    which: str
    at: datetime
    noticed: datetime
    following: RunAttempt | None

    @property
    def again(self) -> list[_Took]:
        if self.following is None:
            return []
        return [_Took(which=self.which, time=self.following.started_at - self.at)]

    def is_undisturbed(self, outages: Sequence[Outage]) -> bool:
        end = self.following.started_at if self.following else self.noticed
        alone = self.following is not None and self.following.alone
        return not alone and not any(_meets(outage, self.at, end) for outage in outages)


def _worst(durations: Sequence[_Took]) -> Worst:
    if not durations:
        return Worst()
    ordered = sorted(durations, key=lambda took: took.time)
    return Worst(
        number=len(ordered),
        middle=round(ordered[len(ordered) // 2].time.total_seconds(), 3),
        worst=round(ordered[-1].time.total_seconds(), 3),
        which=ordered[-1].which,
    )


def _meets(outage: Outage, begin: datetime, end: datetime) -> bool:
    return outage.at <= end and outage.until >= begin


def _rescues(evidence: Evidence, silences: Sequence[Silence]) -> Iterator[_Rescue]:
    for run_id, attempts in evidence.attempts.items():
        for attempt, following in pairwise([*attempts, None]):
            if attempt is None or attempt.outcome is not AttemptOutcome.LOST:
                continue
            ended = attempt.ended_at
            struck = [
                silence.at
                for silence in silences
                if silence.pid == pid_of(attempt)
                and ended is not None
                and attempt.started_at <= silence.at <= ended
            ]
            if struck and ended is not None:
                yield _Rescue(
                    which=f"{evidence.runs[run_id].task_type} {run_id}, attempt {attempt.attempt}",
                    at=max(struck),
                    noticed=ended,
                    following=following,
                )


def _is_excused(
    attempt: RunAttempt, silences: Sequence[Silence], outages: Sequence[Outage]
) -> bool:
    end = attempt.ended_at or attempt.lease_expires_at
    return any(
        silence.pid == pid_of(attempt)
        and silence.at <= end
        and (silence.until is None or silence.until >= attempt.started_at)
        for silence in silences
    ) or any(
        outage.server == "postgres" and _meets(outage, attempt.started_at, end)
        for outage in outages
    )


def _pickups(evidence: Evidence, outages: Sequence[Outage], server: str) -> list[_Took]:
    """From each return of a server to the first claim after it, if a run waited for one then."""
    claims = sorted(
        attempt.started_at for several in evidence.attempts.values() for attempt in several
    )
    found = []
    for outage in outages:
        later = [claim for claim in claims if claim > outage.until]
        if outage.server == server and later and _someone_waits(evidence, outage.until):
            which = f"back at {outage.until:%H:%M:%S}"
            found.append(_Took(which=which, time=later[0] - outage.until))
    return found


def _someone_waits(evidence: Evidence, moment: datetime) -> bool:
    """Whether a run was there at that moment, never claimed yet, that was claimed later."""
    return any(
        run.created_at < moment < attempts[0].started_at
        for run_id, run in evidence.runs.items()
        if (attempts := evidence.attempts.get(run_id))
    )


def _cancellations(
    evidence: Evidence, silences: Sequence[Silence], outages: Sequence[Outage]
) -> Iterator[_Took]:
    for run_id, attempts in evidence.attempts.items():
        run = evidence.runs[run_id]
        wish, end = run.cancel_requested_at, run.finished_at
        if not attempts or wish is None or end is None:
            continue
        last = attempts[-1]
        touched = any(
            silence.pid == pid_of(last)
            and silence.at <= end
            and (silence.until is None or silence.until >= wish)
            for silence in silences
        ) or any(_meets(outage, wish, end) for outage in outages)
        if last.outcome is AttemptOutcome.CANCELLED and not touched:
            yield _Took(which=f"{run.task_type} {run_id}", time=end - wish)
