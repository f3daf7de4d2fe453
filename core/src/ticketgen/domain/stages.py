"""Which stage of a session may follow which, and by what: the whole journey as one table.

    site_info_collection ─▶ upload ─▶ processing ─▶ review ─▶ jira_export ─▶ completed

    files       a file comes, changes or goes: from any stage before the export to `upload`
    generation  begins: to `processing`; ends well: to `review`; fails or is cancelled: to `upload`
    export      begins: to `jira_export`; ends well: to `completed`; otherwise it stays there
    rollback    a person goes back on purpose: to `review`, `upload` or `site_info_collection`

Nothing else moves a session, and nothing moves it forward but work that ended well. The tasks of
the product say their moves themselves (`StageMoves`), the routes of files theirs; a test holds
them against this table. A task of another plugin may move a session as its author likes.

A rollback to `review` deletes nothing. To `upload` it deletes the tickets, what depends on what,
and the verdicts; to `site_info_collection` the files as well. What was done elsewhere stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.errors import ConflictError

__all__ = [
    "MOVES",
    "Move",
    "Mover",
    "RollbackRefusedError",
    "may_follow",
    "require_rollback",
    "rollback_targets",
]


class Mover(StrEnum):
    """What takes a session from one stage to another."""

    FILES = "files"
    GENERATION = "generation"
    EXPORT = "export"
    ROLLBACK = "rollback"


@dataclass(frozen=True, kw_only=True)
class Move:
    """One stage that may follow another."""

    start: Stage
    to: Stage
    by: Mover


class RollbackRefusedError(ConflictError):
    """The session cannot go back to that stage from where it stands."""

    code = "rollback_refused"


def _moves(by: Mover, to: Stage, *starts: Stage) -> tuple[Move, ...]:
    return tuple(Move(start=start, to=to, by=by) for start in starts)


_INFO, _UPLOAD, _PROCESSING, _REVIEW, _EXPORT, _COMPLETED = Stage

MOVES: tuple[Move, ...] = (
    *_moves(Mover.FILES, _UPLOAD, _INFO, _UPLOAD, _REVIEW),
    *_moves(Mover.GENERATION, _PROCESSING, _INFO, _UPLOAD, _REVIEW),
    *_moves(Mover.GENERATION, _REVIEW, _PROCESSING),
    *_moves(Mover.GENERATION, _UPLOAD, _PROCESSING),
    *_moves(Mover.EXPORT, _EXPORT, _REVIEW, _EXPORT),
    *_moves(Mover.EXPORT, _COMPLETED, _EXPORT),
    *_moves(Mover.ROLLBACK, _REVIEW, _EXPORT, _COMPLETED),
    # Out of `processing` only if no run is active any more, which is a session left behind.
    *_moves(Mover.ROLLBACK, _UPLOAD, _PROCESSING, _REVIEW, _EXPORT, _COMPLETED),
    *_moves(Mover.ROLLBACK, _INFO, _UPLOAD, _PROCESSING, _REVIEW, _EXPORT, _COMPLETED),
)
"""Every move there is."""


def may_follow(start: Stage, to: Stage, *, by: Mover) -> bool:
    """Whether that takes a session from the one stage to the other."""
    return Move(start=start, to=to, by=by) in MOVES


def rollback_targets(stage: Stage) -> tuple[Stage, ...]:
    """The stages a person may take a session back to, the nearest first."""
    return tuple(move.to for move in MOVES if move.start is stage and move.by is Mover.ROLLBACK)


def require_rollback(session: WorkSession, to: Stage) -> None:
    """Let a session go back, never forward.

    Raises:
        RollbackRefusedError: that stage is not behind the session's.
    """
    targets = rollback_targets(session.stage)
    if to in targets:
        return
    names = " or ".join(f"`{target}`" for target in targets)
    raise RollbackRefusedError(
        f"A session in `{session.stage}` cannot be taken back to `{to}`.",
        recovery_actions=[
            f"Choose {names}." if targets else "There is no earlier stage to go back to."
        ],
    )
