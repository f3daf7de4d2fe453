"""Whether a process id still means the process it was written down for."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Birth", "birth_of", "is_alive", "send_signal"]


@dataclass(frozen=True, kw_only=True)
class Birth:
    """A process and when it began: ids are used again, a pair of both is not."""

    pid: int
    began: str


def birth_of(pid: int) -> Birth | None:
    """The process with this id, or None if there is none or only its remains (a zombie)."""
    began = _began_linux(pid) if sys.platform == "linux" else _began_by_ps(pid)
    return Birth(pid=pid, began=began) if began else None


def is_alive(birth: Birth) -> bool:
    """Whether this very process still runs."""
    return birth_of(birth.pid) == birth


def send_signal(birth: Birth, number: int) -> bool:
    """Signal this very process; False if it is gone or not ours to signal."""
    if not is_alive(birth):
        return False
    try:
        os.kill(birth.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _began_linux(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name stands in brackets and may itself hold spaces and brackets.
    state, *rest = text.rpartition(")")[2].split()
    return None if state in {"Z", "X"} else rest[18]


def _began_by_ps(pid: int) -> str | None:
    answer = subprocess.run(  # noqa: S603 - a fixed command and a number
        ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "TZ": "UTC"},
    )
    state, _, began = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else began.strip()
