"""What a server wrote to its log lately."""

from __future__ import annotations

from pathlib import Path

__all__ = ["rotate", "tail"]

_LIMIT = 8 * 1024 * 1024


def rotate(log: Path, *, limit: int = _LIMIT) -> int:
    """Put a log over `limit` bytes aside, in place of the one put aside before; give its size."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size <= limit:
        return size
    log.replace(log.with_name(f"{log.name}.1"))
    return 0


def tail(log: Path, *, start: int = 0, lines: int = 15) -> str:
    """The last lines written to a log since it had `start` bytes."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            text = file.read().decode(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(nothing was logged)"
