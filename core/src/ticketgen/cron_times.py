"""At which moments a cron expression fires by the clock of a zone, also where that clock changes.

An expression whose hours leave some of the 24 out means times of the day. Each matching time on
the wall clock fires once: where the clock is put forward over it, at the first moment after the
gap (several times in one gap are one moment); where the clock is put back and shows it twice,
when it is shown first.

An expression of every hour means a rhythm. It fires at every moment at which the wall clock
matches: in both passes of a repeated hour, and never for times that the clock skips.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

__all__ = ["fire_times", "is_every_hour", "is_zone", "next_fire_times"]

_DAY = timedelta(days=1)


def fire_times(
    cron: str, zone: str, *, after: datetime, until: datetime, limit: int
) -> list[datetime]:
    """The fire times later than `after` and not later than `until`, in UTC, the earliest first.

    At most `limit`: the newest of them where there are more.

    Raises:
        ValueError: the expression cannot be read, or a time has no zone.
        KeyError: there is no such zone.
    """
    begin, end = _utc(after), _utc(until)
    window = _DAY
    # From the end backwards, ever further: after a year of silence not every minute of it.
    while True:
        start = end - window if window < end - begin else begin
        times = takewhile(lambda moment: moment <= end, _moments(cron, zone, after=start))
        found = list(deque(times, maxlen=limit))
        if start == begin or len(found) == limit:
            return found
        window *= 4


def next_fire_times(cron: str, zone: str, *, after: datetime, count: int) -> list[datetime]:
    """The first fire times later than `after`, in UTC; fewer than `count` if no more will come.

    Raises:
        ValueError: the expression cannot be read, or the time has no zone.
        KeyError: there is no such zone.
    """
    return list(islice(_moments(cron, zone, after=_utc(after)), count))


def is_every_hour(cron: str) -> bool:
    """Whether the expression leaves out no hour of the day: a rhythm, no times of the day.

    Raises:
        ValueError: it cannot be read.
    """
    hours = croniter.expand(cron)[0][1]
    return hours == ["*"] or set(hours) >= set(range(24))


def is_zone(name: str) -> bool:
    """Whether the zone database has a zone of that name."""
    if name == "localtime":  # a file beside the database, and another zone on each machine
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(UTC)


def _moments(cron: str, zone: str, *, after: datetime) -> Iterator[datetime]:
    """All fire times after a moment, without an end where the expression has none."""
    clock = ZoneInfo(zone)
    if is_every_hour(cron):
        return _every_showing(cron, clock, after)
    return _first_showings(cron, clock, after)


def _first_showings(cron: str, clock: ZoneInfo, after: datetime) -> Iterator[datetime]:
    last = after
    for shown in _wall_times(cron, after=_wall(after, clock)):
        moment = _first_moment(shown, clock)
        # Not later: before `after` in the pass that came first, or in a gap already answered for.
        if moment > last:
            last = moment
            yield moment


def _every_showing(cron: str, clock: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Wall times in their order, put into the order in which they really come."""
    waiting: list[datetime] = []
    for shown in _wall_times(cron, after=_wall(after, clock) - _put_back(after, clock)):
        moments = _moments_of(shown, clock)
        for moment in moments:
            heappush(waiting, moment)
        # Whatever is shown later on the clock cannot come before the first of these.
        while waiting and moments and waiting[0] <= moments[0]:
            due = heappop(waiting)
            if due > after:
                yield due


def _wall_times(cron: str, *, after: datetime) -> Iterator[datetime]:
    """What a clock without zones shows at each fire time; ends if the expression never matches."""
    times = croniter(cron, after, ret_type=datetime)
    while True:
        try:
            yield times.get_next()
        except CroniterBadDateError:
            return


def _wall(moment: datetime, clock: ZoneInfo) -> datetime:
    """What the clock shows then, whole seconds: the expression knows nothing smaller."""
    return moment.astimezone(clock).replace(tzinfo=None, microsecond=0, fold=0)


def _put_back(after: datetime, clock: ZoneInfo) -> timedelta:
    """How far the clock may soon be put back, and show again what it shows now or before."""
    change = _offset(after, clock) - _offset(after + _DAY, clock)
    return max(change, timedelta(0))


def _offset(moment: datetime, clock: ZoneInfo) -> timedelta:
    return moment.astimezone(clock).utcoffset() or timedelta(0)


def _moments_of(shown: datetime, clock: ZoneInfo) -> list[datetime]:
    """When the clock shows that: once, twice where it is put back, never where it skips it."""
    readings = {shown.replace(tzinfo=clock, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(moment for moment in readings if _wall(moment, clock) == shown)


def _first_moment(shown: datetime, clock: ZoneInfo) -> datetime:
    """When the clock first shows that, or has first gone past it."""
    moments = _moments_of(shown, clock)
    if moments:
        return moments[0]
    # In a gap. Read with the offset after it the time lies before the gap, and the other way round.
    before = shown.replace(tzinfo=clock, fold=1).astimezone(UTC)
    behind = shown.replace(tzinfo=clock, fold=0).astimezone(UTC)
    while behind - before > timedelta(seconds=1):
        middle = (before + (behind - before) / 2).replace(microsecond=0)
        if _wall(middle, clock) < shown:
            before = middle
        else:
            behind = middle
    return behind
