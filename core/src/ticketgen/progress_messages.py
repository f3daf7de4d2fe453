"""What one message of a progress channel holds, for whoever publishes it and whoever reads it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from ticketgen.errors import ErrorCategory

__all__ = ["TERMINAL_TYPES", "ProgressMessage", "channel_of"]

TERMINAL_TYPES = frozenset({"completed", "error", "cancelled"})


class ProgressMessage(BaseModel):
    """One message of a progress channel, by the names of the founding specification."""

    type: Literal["progress", "completed", "error", "cancelled", "snapshot", "resync"]
    """`snapshot` is what a client gets on attach, `resync` says that messages it asked for are no
    longer kept; `completed`, `error` and `cancelled` end a stream."""
    session_id: UUID | None
    task_id: UUID | None
    task_type: str
    timestamp: datetime
    status: str | None = None
    """not_started, processing, completed, failed or cancelled."""
    progress_percentage: float | None = None
    """0 to 100."""
    current_stage: str | None = None
    details: dict[str, Any] | None = None
    result_summary: dict[str, Any] | None = None
    error_category: ErrorCategory | None = None
    user_message: str | None = None
    recovery_actions: list[str] | None = None
    attempt: int | None = None
    epoch: str | None = None
    """Random per stream: another epoch means the sequence began anew."""
    sequence: int | None = None
    """Counts the messages of a stream from 1, without gaps."""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing of this run comes after it."""
        return self.type in TERMINAL_TYPES

    @property
    def position(self) -> str | None:
        """`{epoch}-{sequence}`: where a client that has seen this message goes on from."""
        if self.epoch is None or self.sequence is None:
            return None
        return f"{self.epoch}-{self.sequence}"


def channel_of(
    task_type: str, *, session_id: UUID | None = None, task_id: UUID | None = None
) -> str:
    """`progress:{session_id}:{task_type}`, or with the run's id where there is no session."""
    return f"progress:{session_id or task_id}:{task_type}"
