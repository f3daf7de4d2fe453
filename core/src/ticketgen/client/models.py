"""What the API answers, as values with types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from ticketgen.errors import InvalidInputError
from ticketgen.progress_messages import ProgressMessage

__all__ = ["Pace", "Run", "StartedRun", "Stream", "TaskStatus"]

_ENDINGS: dict[str, Literal["completed", "error", "cancelled"]] = {
    "completed": "completed",
    "failed": "error",
    "cancelled": "cancelled",
}


class _Answer(BaseModel):
    """What a newer API says besides is kept."""

    model_config = ConfigDict(extra="allow")


class StartedRun(_Answer):
    """The answer to a start or a retry: stored, and on its way to a worker."""

    task_id: UUID
    session_id: UUID | None
    task_type: str
    status: str
    state: str
    existing: bool
    """It was active already; this is that run."""
    progress_channel: str


class Run(_Answer):
    """One run: where it stands and how it ended."""

    task_id: UUID
    session_id: UUID | None
    task_type: str
    status: str
    """`processing` (queued, running or parked), `completed`, `failed` or `cancelled`."""
    state: str
    progress_percentage: float | None
    """0 to 100, as last stored."""
    current_stage: str | None
    attempt: int
    retry_count: int
    parked: dict[str, Any] | None
    """Why nobody can run it at present: `code` and `message`, among others."""
    result_summary: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing comes any more."""
        return self.status in _ENDINGS

    @property
    def message(self) -> ProgressMessage:
        """The same as a message: a `snapshot` while it goes on, else its ending."""
        return _ending(self) if self.has_ended else _snapshot(self)


class TaskStatus(_Answer):
    """A task of a session: its newest run."""

    session_id: UUID
    task_type: str
    status: str
    """`not_started` where it has never run."""
    run: Run | None

    @property
    def message(self) -> ProgressMessage:
        """The same as a message; of a task that has not run a `snapshot` that says so."""
        if self.run is not None:
            return self.run.message
        return ProgressMessage(
            type="snapshot",
            session_id=self.session_id,
            task_id=None,
            task_type=self.task_type,
            timestamp=datetime.now(UTC),
            status=self.status,
        )


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What can be watched: one run, or a session's task, whose newest run is meant.

    Raises:
        InvalidInputError: it is neither.
    """

    task_id: UUID | str | None = None
    session_id: UUID | str | None = None
    task_type: str | None = None

    def __post_init__(self) -> None:
        of_session = self.session_id is not None and self.task_type is not None
        of_either = self.session_id is not None or self.task_type is not None
        if (self.task_id is not None and of_either) or (self.task_id is None and not of_session):
            raise InvalidInputError(
                "A stream is that of a run, or of a session's task.",
                recovery_actions=["Give a task_id, or a session_id and a task_type."],
            )

    def path(self, *, of_run: str, of_session: str) -> str:
        """The path for its run's id or for its task; `{}` stands for what is asked about."""
        if self.task_id is not None:
            return of_run.format(_segment(self.task_id))
        return of_session.format(_segment(self.task_type), _segment(self.session_id))

    @property
    def asked(self) -> dict[str, str]:
        """How it is named in a frame."""
        found = {
            "task_id": _as_api_writes(self.task_id),
            "session_id": _as_api_writes(self.session_id),
            "task_type": self.task_type,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a client comes back, and how often it asks; the API expects no more than this."""

    first_delay: timedelta = timedelta(seconds=0.25)
    """Before a lost connection is made again; twice as long each time, by up to half less."""
    longest_delay: timedelta = timedelta(seconds=10)
    between_polls: timedelta = timedelta(seconds=2)
    silence: timedelta = timedelta(seconds=10)
    """How long a stream may take to open, and to say its first word."""


def _as_api_writes(word: UUID | str | None) -> str | None:
    try:
        return None if word is None else str(UUID(str(word)))
    except ValueError:
        return str(word)  # the API says what is wrong with it


def _segment(word: object) -> str:
    return quote(str(word), safe="", errors="replace")


def _snapshot(run: Run) -> ProgressMessage:
    waits = {} if run.parked is None else {"parked": run.parked}
    return ProgressMessage(
        type="snapshot",
        session_id=run.session_id,
        task_id=run.task_id,
        task_type=run.task_type,
        timestamp=datetime.now(UTC),
        status=run.status,
        progress_percentage=run.progress_percentage,
        current_stage=(run.parked or {}).get("message") or run.current_stage,
        details=waits or None,
        attempt=run.attempt,
    )


def _ending(run: Run) -> ProgressMessage:
    error = (run.error or {}) if run.status != "completed" else {}
    return ProgressMessage(
        type=_ENDINGS[run.status],
        session_id=run.session_id,
        task_id=run.task_id,
        task_type=run.task_type,
        timestamp=run.finished_at or datetime.now(UTC),
        status=run.status,
        progress_percentage=100.0 if run.status == "completed" else None,
        result_summary=run.result_summary if run.status == "completed" else None,
        error_category=error.get("error_category"),
        user_message=error.get("user_message"),
        recovery_actions=error.get("recovery_actions"),
        attempt=run.attempt,
    )
