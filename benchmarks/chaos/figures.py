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


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is measured at a campaign."""

    attempts: int
    attempts_lost: int
    lost_by_the_living: int
    """Leases that ran out though nobody had killed or frozen the worker, nor taken Postgres."""
    noticed: Worst
    """From the death of a worker to the moment its run is taken away from it."""
    running_again: Worst
    """From the death of a worker to the next claim of its run; waits for a free slot included."""
    running_again_undisturbed: Worst
    """The same, where neither server was away in that time."""
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
        noticed=_worst([taken - at for at, taken, _ in rescues]),
        running_again=_worst([again - at for at, _, again in rescues if again]),
        running_again_undisturbed=_worst(
            [
                again - at
                for at, _, again in rescues
                if again and not any(_meets(outage, at, again) for outage in outages)
            ]
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


def _worst(durations: Sequence[timedelta]) -> Worst:
    if not durations:
        return Worst()
    ordered = sorted(duration.total_seconds() for duration in durations)
    return Worst(number=len(ordered), middle=ordered[len(ordered) // 2], worst=ordered[-1])


def _meets(outage: Outage, begin: datetime, end: datetime) -> bool:
    return outage.at <= end and outage.until >= begin


def _rescues(
    evidence: Evidence, silences: Sequence[Silence]
) -> Iterator[tuple[datetime, datetime, datetime | None]]:
    """Of every attempt that died in a silence: when that began, was noticed, and was mended."""
    for attempts in evidence.attempts.values():
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
                yield max(struck), ended, following.started_at if following else None


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


def _pickups(evidence: Evidence, outages: Sequence[Outage], server: str) -> list[timedelta]:
    """From each return of a server to the first claim after it, if a run waited for one then."""
    claims = sorted(
        attempt.started_at for several in evidence.attempts.values() for attempt in several
    )
    found = []
    for outage in outages:
        later = [claim for claim in claims if claim > outage.until]
        if outage.server == server and later and _someone_waits(evidence, outage.until):
            found.append(later[0] - outage.until)
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
) -> Iterator[timedelta]:
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
            yield end - wish
