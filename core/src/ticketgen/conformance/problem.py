"""One thing that is wrong with a plugin: where it showed, what it is, and what to do."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from ticketgen.storable import storable_text

__all__ = ["Problem", "described", "problem", "raised", "shown"]

_SHOWN_CHARACTERS = 120


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a plugin, where it showed, and what to do."""

    phase: str
    """When the host loads: `find`, `import`, `hooks`, `register`, `contract`, `check`, `settings`,
    `combine`. When a process starts: `mount`, `schema`, `start`. While it runs: `hook`."""
    message: str
    remedy: str
    traceback: str | None = None


def problem(message: str, remedy: str, *, phase: str = "check") -> Problem:
    """A problem of the value that a plugin returned, unless another phase is given."""
    return Problem(phase=phase, message=storable_text(message), remedy=remedy)


def raised(phase: str, error: BaseException, remedy: str) -> Problem:
    """What a plugin's own code raised, with its traceback."""
    return Problem(
        phase=phase,
        message=described(error),
        remedy=remedy,
        traceback=storable_text("".join(traceback.format_exception(error))),
    )


def described(error: BaseException) -> str:
    """Kind and message of an exception, also of one whose own message cannot be had."""
    try:
        said = str(error)
    except Exception:
        said = "its message cannot be shown"
    return storable_text(f"{type(error).__name__}: {said}")


def shown(value: object) -> str:
    """A value as Python writes it, cut, also where its own `repr` fails."""
    try:
        written = repr(value)
    except Exception:
        written = f"<{type(value).__name__} that cannot be shown>"
    return written if len(written) <= _SHOWN_CHARACTERS else f"{written[:_SHOWN_CHARACTERS]}…"
