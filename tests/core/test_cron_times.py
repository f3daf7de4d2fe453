"""Fire times against a walk through every minute, and the clock changes by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketgen.cron_times import fire_times, is_every_hour, is_zone, next_fire_times

_MINUTE = timedelta(minutes=1)

CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/New_York": [
        datetime(2026, 3, 8, 7, tzinfo=UTC),
        datetime(2026, 11, 1, 6, tzinfo=UTC),
    ],
    "Australia/Lord_Howe": [
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    ],
    "Asia/Kathmandu": [datetime(2026, 6, 15, 12, tzinfo=UTC)],
    "UTC": [datetime(2028, 2, 28, 23, tzinfo=UTC)],
}
"""Moments to look around: where the zone has clock changes, these."""


@dataclass(frozen=True, kw_only=True)
class Cron:
    """An expression, and beside it what its fields allow, read by nobody's parser."""

    minutes: frozenset[int]
    hours: frozenset[int]
    month_days: frozenset[int] | None
    week_days: frozenset[int] | None

    @property
    def text(self) -> str:
        fields = (
            _field(self.minutes, 60),
            _field(self.hours, 24),
            _field(self.month_days, 31),
            "*",
            _field(self.week_days, 7),
        )
        return " ".join(fields)

    def matches(self, shown: datetime) -> bool:
        """Days of the month and of the week are alternatives where both are given."""
        day = [
            shown.day in self.month_days if self.month_days is not None else None,
            shown.isoweekday() % 7 in self.week_days if self.week_days is not None else None,
        ]
        told = [answer for answer in day if answer is not None]
        right_day = any(told) if told else True
        return right_day and shown.hour in self.hours and shown.minute in self.minutes


def _field(values: frozenset[int] | None, everything: int) -> str:
    if values is None or len(values) == everything:
        return "*"
    return ",".join(str(value) for value in sorted(values))


def _subsets(below: int, *, first: int = 0) -> st.SearchStrategy[frozenset[int]]:
    return st.frozensets(st.integers(first, below - 1), min_size=1, max_size=5)


_CRONS = st.builds(
    Cron,
    minutes=_subsets(60) | st.just(frozenset(range(60))),
    hours=_subsets(24)
    | st.frozensets(st.integers(0, 4), min_size=1)
    | st.just(frozenset(range(24))),
    month_days=st.none() | _subsets(32, first=1),
    week_days=st.none() | st.frozensets(st.integers(0, 6), min_size=1, max_size=6),
)


@st.composite
def _windows(draw: st.DrawFn) -> tuple[str, datetime, datetime]:
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = draw(st.sampled_from(CHANGES[zone]))
    seconds = st.integers(-16 * 3600, 16 * 3600).map(lambda value: timedelta(seconds=value))
    one, other = change + draw(seconds), change + draw(seconds)
    return zone, min(one, other), max(one, other)


def _walk(cron: Cron, zone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """The rule, minute for minute of real time, with everything the clock ever showed in mind."""
    clock = ZoneInfo(zone)
    moment = after.replace(second=0, microsecond=0) - timedelta(days=2)
    shown_last = moment.astimezone(clock).replace(tzinfo=None, fold=0)
    while (moment := moment + _MINUTE) <= until:
        shown = moment.astimezone(clock).replace(tzinfo=None, fold=0)
        passed = [
            shown_last + step * _MINUTE for step in range(1, (shown - shown_last) // _MINUTE + 1)
        ]
        rhythm = len(cron.hours) == 24
        fires = cron.matches(shown) if rhythm else any(cron.matches(time) for time in passed)
        shown_last = max(shown, shown_last)
        if fires and moment > after:
            yield moment


@settings(deadline=None)
@given(cron=_CRONS, window=_windows())
def test_fire_times_are_those_of_a_walk_through_every_minute(
    cron: Cron, window: tuple[str, datetime, datetime]
) -> None:
    zone, after, until = window

    found = fire_times(cron.text, zone, after=after, until=until, limit=10_000)

    assert found == list(_walk(cron, zone, after, until))


@settings(deadline=None)
@given(cron=_CRONS, window=_windows(), part=st.floats(0, 1))
def test_two_looks_find_what_one_look_finds(
    cron: Cron, window: tuple[str, datetime, datetime], part: float
) -> None:
    zone, after, until = window
    between = after + (until - after) * part

    first = fire_times(cron.text, zone, after=after, until=between, limit=10_000)
    second = fire_times(cron.text, zone, after=between, until=until, limit=10_000)

    assert first + second == fire_times(cron.text, zone, after=after, until=until, limit=10_000)


@settings(deadline=None)
@given(cron=_CRONS, window=_windows())
def test_the_next_fire_times_are_the_first_of_all(
    cron: Cron, window: tuple[str, datetime, datetime]
) -> None:
    zone, after, until = window

    following = next_fire_times(cron.text, zone, after=after, count=3)

    found = fire_times(cron.text, zone, after=after, until=until, limit=10_000)
    assert [moment for moment in following if moment <= until] == found[:3]


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            _utc(2026, 3, 28, 12),
            [_utc(2026, 3, 29, 1), _utc(2026, 3, 30, 0, 30)],
            id="a time the clock skips comes at the first moment after the gap",
        ),
        pytest.param(
            "*/15 2 * * *",
            "Europe/Berlin",
            _utc(2026, 3, 28, 12),
            [_utc(2026, 3, 29, 1), _utc(2026, 3, 30, 0), _utc(2026, 3, 30, 0, 15)],
            id="several times in one gap are one moment",
        ),
        pytest.param(
            "0 2,3 * * *",
            "Europe/Berlin",
            _utc(2026, 3, 28, 12),
            [_utc(2026, 3, 29, 1), _utc(2026, 3, 30, 0), _utc(2026, 3, 30, 1)],
            id="the moment after the gap is not doubled by its own time",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            _utc(2026, 10, 24, 12),
            [_utc(2026, 10, 25, 0, 30), _utc(2026, 10, 26, 1, 30)],
            id="a time the clock shows twice counts when it is shown first",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            _utc(2026, 10, 25, 1, 10),
            [_utc(2026, 10, 26, 1, 30)],
            id="in the second pass the first has been",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Berlin",
            _utc(2026, 10, 25, 0, 10),
            [_utc(2026, 10, 25, 0, 30), _utc(2026, 10, 25, 1), _utc(2026, 10, 25, 1, 30)],
            id="a rhythm goes on through a repeated hour",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Berlin",
            _utc(2026, 3, 29, 0, 10),
            [_utc(2026, 3, 29, 0, 30), _utc(2026, 3, 29, 1), _utc(2026, 3, 29, 1, 30)],
            id="a rhythm goes on through a skipped hour",
        ),
        pytest.param(
            "15 2 * * *",
            "Australia/Lord_Howe",
            _utc(2026, 10, 3),
            [_utc(2026, 10, 3, 15, 30), _utc(2026, 10, 4, 15, 15)],
            id="a gap of half an hour",
        ),
        pytest.param(
            "0 8 * * *",
            "Asia/Kathmandu",
            _utc(2026, 6, 1),
            [_utc(2026, 6, 1, 2, 15), _utc(2026, 6, 2, 2, 15)],
            id="a zone off the full hour",
        ),
        pytest.param(
            "0 0 30 12 *",
            "Pacific/Apia",
            _utc(2011, 12, 1),
            [_utc(2011, 12, 30, 10), _utc(2012, 12, 29, 10)],
            id="a day that a zone left out",
        ),
        pytest.param(
            "0 0 29 2 *",
            "UTC",
            _utc(2096, 3, 1),
            [_utc(2104, 2, 29), _utc(2108, 2, 29)],
            id="eight years between two leap days",
        ),
    ],
)
def test_clock_changes(cron: str, zone: str, after: datetime, expected: list[datetime]) -> None:
    found = next_fire_times(cron, zone, after=after, count=len(expected))

    assert found == expected


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 * 31 2,4,6,9,11 *"])
def test_a_date_that_never_comes_has_no_fire_time(cron: str, zone: str) -> None:
    after = _utc(2026, 1, 1)

    assert next_fire_times(cron, zone, after=after, count=3) == []
    assert fire_times(cron, zone, after=after, until=_utc(2126, 1, 1), limit=3) == []


def test_of_more_times_than_asked_for_the_newest_are_given() -> None:
    found = fire_times("0 8 * * *", "UTC", after=_utc(2026, 1, 1), until=_utc(2026, 2, 1), limit=2)

    assert found == [_utc(2026, 1, 30, 8), _utc(2026, 1, 31, 8)]


def test_the_beginning_does_not_count_and_the_end_does() -> None:
    eight, nine = _utc(2026, 1, 1, 8), _utc(2026, 1, 1, 9)

    assert fire_times("0 * * * *", "UTC", after=eight, until=nine, limit=9) == [nine]


def test_parts_of_a_second_neither_hide_nor_repeat_a_fire_time() -> None:
    eight = _utc(2026, 1, 1, 8)
    little = timedelta(milliseconds=1)

    assert next_fire_times("0 8 * * *", "UTC", after=eight - little, count=1) == [eight]
    assert next_fire_times("0 8 * * *", "UTC", after=eight + little, count=1) == [
        eight + timedelta(days=1)
    ]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        next_fire_times("0 8 * * *", "UTC", after=datetime(2026, 1, 1), count=1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 * * * *", True),
        ("0 */1 * * *", True),
        ("0 0-23 * * *", True),
        ("0 0-11,12-23 * * 1", True),
        ("0 */2 * * *", False),
        ("* 0-22 * * *", False),
    ],
)
def test_a_rhythm_leaves_out_no_hour_however_it_is_written(cron: str, expected: bool) -> None:
    assert is_every_hour(cron) is expected


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_a_name_of_the_zone_database_is_a_zone(name: str) -> None:
    assert is_zone(name)


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Bonn", "../etc/passwd", "/etc", "UTC\0", "localtime"]
)
def test_anything_else_is_none(name: str) -> None:
    assert not is_zone(name)
