"""Starts the runs of schedules when they are due: one for a fire time, over all processes.

Any number of processes look, as often as they like. Whoever finds a schedule due locks its row,
looks again, and in one transaction records what comes of each fire time and starts the run. The
row of a fire time is unique, so no time fires twice; it is recorded with its run or not at all,
so none is lost. The database's clock is the only one. See docs/adr/0015.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from ticketgen.cron_times import fire_times, next_fire_times
from ticketgen.database import database_time
from ticketgen.diagnosis import diagnose
from ticketgen.domain import schedules
from ticketgen.domain.schedules import FireOutcome, ScheduleFire
from ticketgen.domain.users import User
from ticketgen.errors import ErrorCategory, NotFoundError, TemporaryError, TicketgenError
from ticketgen.plugin import Misfire, Overlap, Schedule
from ticketgen.ports import StartedRun
from ticketgen.registry import RegisteredSchedule, Registry
from ticketgen.starting import UnitOfWork

__all__ = ["Scheduler"]

_log = structlog.get_logger(__name__)

_MOST_FIRES = 1000
"""So many of the newest fire times that were missed get a record; those before get none."""

_START_LIMIT = timedelta(seconds=10)
"""Longest that a task's `prepare` may hold up all other schedules."""

_KEPT = timedelta(days=90)
_PRUNE_PAUSE = timedelta(hours=1)
_PRUNE_BATCH = 1000
_PRUNE_BATCHES = 20


@dataclass(kw_only=True)
class Scheduler:
    """Fires the schedules of a registry; keep one per process."""

    registry: Registry
    unit_of_work: Callable[[], AbstractAsyncContextManager[UnitOfWork]]
    _since: dict[str, datetime] = field(default_factory=dict, init=False)
    """From when on a schedule, as this process knows it, counts. Stored once: two versions of a
    plugin at work side by side would otherwise change it back and forth, and never fire."""
    _pruned_at: datetime | None = field(default=None, init=False)

    async def fire_due(self, *, only: str | None = None) -> list[UUID]:
        """Start what is due, of every schedule or of one, and give the ids of the runs.

        What cannot be started is recorded as refused; what cannot be started *now* stays due.

        Raises:
            NotFoundError: there is no schedule `only`.
            TemporaryError: the database is away, or a task could not be prepared at present. The
                other schedules have had their turn.
        """
        named = None if only is None else self._named(only)
        # A plugin that is out of use here may be in use where somebody else looks.
        wanted = [item for item in self.registry.firing if named is None or item is named]
        if not wanted:
            return []
        started: list[UUID] = []
        postponed: TicketgenError | None = None
        now, last = await self._look(wanted)
        for registered in wanted:
            try:
                if self._is_due(registered, last=last.get(registered.name), now=now):
                    started += await self._fire_or_refuse(registered)
            except Exception as error:
                failure = diagnose(error)
                if failure.category is not ErrorCategory.TEMPORARY:
                    _log.exception("schedule_failed", schedule=registered.name)
                    continue
                _log.warning("schedule_postponed", schedule=registered.name, error=str(error))
                postponed = failure
        if only is None:
            await self._prune(now)
        if postponed is not None:
            raise postponed
        return started

    async def fire_now(self, name: str, *, user: User | None = None) -> StartedRun:
        """Start a schedule's task out of its turn, or find the run in whose place it would be.

        No fire time is used up by it. A fire time that comes while the run is active overlaps.

        Raises:
            NotFoundError: there is no such schedule.
            TicketgenError: what the task's own `prepare` refuses.
        """
        registered = self._named(name)
        async with self.unit_of_work() as work:
            started = await work.start(registered.schedule.task, user=user)
            if not started.existing:
                await schedules.name_schedule_of_run(work.db, started.run.id, name)
        return started

    def _named(self, name: str) -> RegisteredSchedule:
        try:
            return self.registry.schedules[name]
        except KeyError:
            known = ", ".join(self.registry.schedules) or "none"
            raise NotFoundError(
                f"There is no schedule {name!r}.",
                recovery_actions=[f"Known schedules: {known}."],
            ) from None

    async def _look(
        self, wanted: list[RegisteredSchedule]
    ) -> tuple[datetime, dict[str, ScheduleFire]]:
        """The time, and the last recorded fire of each; schedules not met before are stored."""
        met: dict[str, datetime] = {}
        async with self.unit_of_work() as work:
            names = [registered.name for registered in wanted]
            # Asked each time: a database that was restored may have forgotten what we stored.
            known = await schedules.known_schedules(work.db, names) & self._since.keys()
            # In one order everywhere, so that two processes that store them do not deadlock.
            for registered in sorted(wanted, key=lambda registered: registered.name):
                if registered.name not in known:
                    met[registered.name] = await schedules.remember_schedule(
                        work.db,
                        name=registered.name,
                        cron=registered.schedule.cron,
                        zone=registered.schedule.zone,
                    )
            last = await schedules.last_fires(work.db, names)
            now = await database_time(work.db)
        self._since |= met
        return now, last

    def _is_due(
        self, registered: RegisteredSchedule, *, last: ScheduleFire | None, now: datetime
    ) -> bool:
        if last is not None and last.outcome is FireOutcome.WAITING:
            return True
        schedule, after = registered.schedule, self._answered_until(registered, last)
        following = next_fire_times(schedule.cron, schedule.zone, after=after, count=1)
        return bool(following) and following[0] <= now

    def _due(
        self, registered: RegisteredSchedule, *, last: ScheduleFire | None, now: datetime
    ) -> list[datetime]:
        schedule, after = registered.schedule, self._answered_until(registered, last)
        return fire_times(schedule.cron, schedule.zone, after=after, until=now, limit=_MOST_FIRES)

    def _answered_until(
        self, registered: RegisteredSchedule, last: ScheduleFire | None
    ) -> datetime:
        since = self._since[registered.name]
        return since if last is None else max(since, last.fire_time)

    async def _fire_or_refuse(self, registered: RegisteredSchedule) -> list[UUID]:
        try:
            return await self._fire(registered)
        except Exception as error:
            failure = diagnose(error)
            if failure.category is ErrorCategory.TEMPORARY:
                raise
            _log.error(
                "schedule_refused",
                schedule=registered.name,
                task=registered.schedule.task,
                error=f"{type(error).__name__}: {error}",
                exc_info=None if isinstance(error, TicketgenError) else error,
            )
        # In a transaction of its own: what failed may have left the first one useless.
        return await self._fire(registered, refuse=True)

    async def _fire(self, registered: RegisteredSchedule, *, refuse: bool = False) -> list[UUID]:
        """Settle every due fire time of a schedule, unless another process is about to."""
        name, schedule = registered.name, registered.schedule
        async with self.unit_of_work() as work:
            if not await schedules.hold_schedule(work.db, name):
                return []
            last = (await schedules.last_fires(work.db, [name])).get(name)
            now = await database_time(work.db)
            waiting = last if last is not None and last.outcome is FireOutcome.WAITING else None
            due = self._due(registered, last=last, now=now)
            # Where a run waits already nothing is missed: it stands for all that come by.
            missed, firing = ([], due) if waiting else _sorted_out(due, schedule=schedule, now=now)
            await schedules.record_fires(
                work.db, schedule=name, fire_times=missed, outcome=FireOutcome.MISSED
            )
            started = await _settle(work, registered, firing, waiting=waiting, refuse=refuse)
        if missed:
            _log.warning("schedule_missed", schedule=name, fires=len(missed))
        for run_id in started:
            _log.info("schedule_fired", schedule=name, run=str(run_id))
        return started

    async def _prune(self, now: datetime) -> None:
        """Delete old fire times, now and then; whatever goes wrong, there is another time."""
        if self._pruned_at is not None and now - self._pruned_at < _PRUNE_PAUSE:
            return
        self._pruned_at = now
        try:
            for _ in range(_PRUNE_BATCHES):
                async with self.unit_of_work() as work:
                    gone = await schedules.forget_fires(
                        work.db, older_than=_KEPT, limit=_PRUNE_BATCH
                    )
                if gone < _PRUNE_BATCH:
                    return
        except Exception as error:
            _log.warning("prune_postponed", table="schedule_fires", error=str(error))


def _sorted_out(
    due: list[datetime], *, schedule: Schedule, now: datetime
) -> tuple[list[datetime], list[datetime]]:
    """Those that are let go as missed, and those that fire, late or on time."""
    late = [moment for moment in due if now - moment > schedule.misfire_grace]
    on_time = due[len(late) :]
    if schedule.misfire == Misfire.ONCE and late:
        return late[:-1], [late[-1], *on_time]
    return late, on_time


async def _settle(
    work: UnitOfWork,
    registered: RegisteredSchedule,
    firing: list[datetime],
    *,
    waiting: ScheduleFire | None,
    refuse: bool,
) -> list[UUID]:
    """Start a run for each fire time, or record why there is none, as the overlap policy says."""
    schedule, name = registered.schedule, registered.name
    in_the_way: UUID | None = None
    if schedule.overlap != Overlap.ALLOW:
        in_the_way = await schedules.active_run_of(
            work.db, name, or_run=waiting.task_id if waiting else None
        )
    if waiting is not None:
        if in_the_way is not None and not firing:
            return []
        firing = [waiting.fire_time, *firing]
    if schedule.overlap == Overlap.WAIT:
        firing = await _only_the_newest(work, name, firing)
    started: list[UUID] = []
    for moment in firing:
        fire = await schedules.record_fire(work.db, schedule=name, fire_time=moment)
        if fire is None:
            continue
        answer = await _start(work, registered, fire, in_the_way=in_the_way, refuse=refuse)
        if answer is None:
            continue
        if schedule.overlap != Overlap.ALLOW:
            in_the_way = answer.run.id
        if not answer.existing:
            started.append(answer.run.id)
    return started


async def _only_the_newest(work: UnitOfWork, name: str, firing: list[datetime]) -> list[datetime]:
    """However many fire times wait, one run starts for them: that of the newest."""
    for moment in firing[:-1]:
        await schedules.record_fire(
            work.db, schedule=name, fire_time=moment, outcome=FireOutcome.OVERLAPPED
        )
    return firing[-1:]


async def _start(
    work: UnitOfWork,
    registered: RegisteredSchedule,
    fire: ScheduleFire,
    *,
    in_the_way: UUID | None,
    refuse: bool,
) -> StartedRun | None:
    """Start the run of one fire time and record it there; None if no start was asked for."""
    waits = registered.schedule.overlap == Overlap.WAIT
    overlapped = FireOutcome.WAITING if waits else FireOutcome.OVERLAPPED
    if in_the_way is not None:
        fire.outcome, fire.task_id = overlapped, in_the_way
        return None
    if refuse:
        fire.outcome = FireOutcome.REFUSED
        return None
    answer = await _start_in_time(work, registered.schedule.task)
    fire.task_id = answer.run.id
    if answer.existing:
        fire.outcome = overlapped
    else:
        await schedules.name_schedule_of_run(work.db, answer.run.id, registered.name)
    return answer


async def _start_in_time(work: UnitOfWork, task: str) -> StartedRun:
    limit = asyncio.timeout(_START_LIMIT.total_seconds())
    try:
        async with limit:
            return await work.start(task)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TemporaryError(f"`prepare` of {task!r} took longer than {_START_LIMIT}.") from error
