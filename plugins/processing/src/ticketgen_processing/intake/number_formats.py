"""How a spreadsheet program shows a number: as a number, a date, a duration, a share."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from enum import Enum, auto

__all__ = ["NumberFormat", "format_of", "shown"]

_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.')
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\[[^\]]*\]")
_OF_DATES = re.compile(r"[dmyhs]", re.IGNORECASE)
_BUILT_IN_DATES = frozenset((*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)))
_BUILT_IN_ELAPSED = 46
_BUILT_IN_SHARES = (9, 10)
_LAST_DAY = 2_958_466
"""The day after the 31st of December 9999."""
_FICTITIOUS_DAY = 60
"""The 29th of February 1900, which spreadsheet programs have and the calendar has not."""
_INTEGERS_UNTIL = 1e15


class NumberFormat(Enum):
    """What the number of a cell stands for."""

    PLAIN = auto()
    DATE = auto()
    ELAPSED = auto()
    SHARE = auto()


def format_of(number: int, code: str | None) -> NumberFormat:
    """The kind of a format, by its code, or by its number where it is one of the built-in ones."""
    if code is None:
        if number in _BUILT_IN_DATES:
            return NumberFormat.DATE
        if number in _BUILT_IN_SHARES:
            return NumberFormat.SHARE
        return NumberFormat.ELAPSED if number == _BUILT_IN_ELAPSED else NumberFormat.PLAIN
    plain = _LITERAL.sub("", code).partition(";")[0]
    if _ELAPSED.search(plain):
        return NumberFormat.ELAPSED
    plain = _IN_BRACKETS.sub("", plain)
    if "general" in plain.casefold():
        return NumberFormat.PLAIN
    if _OF_DATES.search(plain):
        return NumberFormat.DATE
    return NumberFormat.SHARE if "%" in plain else NumberFormat.PLAIN


def shown(text: str, kind: NumberFormat, *, from_1904: bool = False) -> str:
    """The number as a person reads it: no `.0`, dates in ISO; what is no number as it stands."""
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return text
    if kind is NumberFormat.SHARE:
        return f"{_number(value * 100)}%"
    if kind is NumberFormat.ELAPSED and value >= 0:
        return _elapsed(value)
    if kind is NumberFormat.DATE and 0 <= value < _LAST_DAY:
        return _date(value, from_1904=from_1904)
    return _number(value)


def _number(value: float) -> str:
    if value == int(value) and abs(value) < _INTEGERS_UNTIL:
        return str(int(value))
    return format(value, ".15g").replace("e", "E")


def _elapsed(days: float) -> str:
    minutes, seconds = divmod(round(days * 86_400), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _date(serial: float, *, from_1904: bool) -> str:
    seconds = round(serial * 86_400)
    day, rest = divmod(seconds, 86_400)
    time = str(timedelta(seconds=rest)).rjust(8, "0")
    if day == 0 and not from_1904:
        return time
    if from_1904:
        epoch = datetime(1904, 1, 1)  # noqa: DTZ001 - a cell has no time zone
    elif day == _FICTITIOUS_DAY:
        return _with_time("1900-02-29", time, rest)
    else:
        epoch = datetime(1899, 12, 30 if day > _FICTITIOUS_DAY else 31)  # noqa: DTZ001
    try:
        return _with_time((epoch + timedelta(days=day)).date().isoformat(), time, rest)
    except OverflowError:
        return _number(serial)


def _with_time(date: str, time: str, rest: int) -> str:
    return f"{date} {time}" if rest else date
