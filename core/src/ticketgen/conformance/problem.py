"""One thing that is wrong with a plugin: where it showed, what it is, and what to do."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from ticketgen.storable import storable_text

__all__ = ["Problem", "described", "problem", "raised", "shown"]

_SHOWN_CHARACTERS = 120

_LONGEST_REASON = 500


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a plugin, where it showed, and what to do."""

    phase: str
    """When the host loads: `find`, `import`, `hooks`, `register`, `contract`, `check`, `settings`,
    `combine`. When a process starts: `mount`, `schema`, `start`. While it runs: `hook`."""
    message: str
    """In full: for administrators, logs and the command line."""
    remedy: str
    traceback: str | None = None
    """Only where code of the plugin raised something."""

    def __post_init__(self) -> None:
        """Make its texts ones that every log, answer and column takes."""
        object.__setattr__(self, "message", storable_text(self.message))
        if self.traceback is not None:
            object.__setattr__(self, "traceback", storable_text(self.traceback))

    @property
    def brief(self) -> str:
        """What everybody may read: the host's own words, of an exception its type alone.

        What an exception says is anybody's words; the address of a database with its password is
        often among them.
        """
        return self.message if self.traceback is None else self.message.partition(":")[0]

    @property
    def reason(self) -> str:
        """Phase and brief in one line: the same wherever the same problem is told."""
        return f"{self.phase}: {self.brief}"[:_LONGEST_REASON]


def problem(message: str, remedy: str, *, phase: str = "check") -> Problem:
    """A problem of the value that a plugin returned, unless another phase is given."""
    return Problem(phase=phase, message=message, remedy=remedy)


def raised(phase: str, error: BaseException, remedy: str) -> Problem:
    """What a plugin's own code raised, with its traceback."""
    return Problem(
        phase=phase,
        message=described(error),
        remedy=remedy,
        traceback="".join(traceback.format_exception(error)),
    )


def described(error: BaseException) -> str:
    """Kind and message of an exception, also of one whose own message cannot be had."""
    try:
        said = str(error)
    except Exception:
        said = "its message cannot be shown"
    return f"{type(error).__name__}: {said}"


def shown(value: object) -> str:
    """A value as Python writes it, cut, also where its own `repr` fails."""
    try:
        written = repr(value)
    except Exception:
        written = f"<{type(value).__name__} that cannot be shown>"
    return written if len(written) <= _SHOWN_CHARACTERS else f"{written[:_SHOWN_CHARACTERS]}…"
