"""What became of a run in a `MemoryHost`: everything a test may want to look at, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from ticketgen.domain.effects import Effect, EffectState
from ticketgen.domain.failures import failure_from
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import ErrorCategory, TicketgenError

__all__ = ["EffectSeen", "ProgressSeen", "RunError", "RunOutcome", "StartSeen"]


@dataclass(frozen=True, kw_only=True)
class ProgressSeen:
    """One call of `ctx.progress`, as watchers would get it; the memory host throttles nothing."""

    percentage: float
    stage: str
    details: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class EffectSeen:
    """What the ledger knows of an effect."""

    operation: str
    key: str
    state: EffectState
    value: Any = None
    """What the call gave, once it is `EffectState.DONE`."""


@dataclass(frozen=True, kw_only=True)
class StartSeen:
    """A task that was started through `ctx.start`, or through the `Host` of a lifespan."""

    task_type: str
    request: Mapping[str, Any] = field(default_factory=dict)
    """As it is stored."""
    session_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class RunError:
    """Why a run failed, as its row would say it, and what operators would see beside that."""

    category: ErrorCategory
    code: str
    user_message: str
    recovery_actions: tuple[str, ...]
    technical_details: Mapping[str, Any]

    @classmethod
    def of(cls, error: TicketgenError) -> RunError:
        """The stored form of an error."""
        stored = failure_from(error, operation_stage="memory")
        return cls(
            category=stored.error_category,
            code=stored.code,
            user_message=stored.user_message,
            recovery_actions=tuple(stored.recovery_actions),
            technical_details=stored.technical_details,
        )


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended, and what it did on the way."""

    task_type: str
    run_id: UUID
    lineage_id: UUID
    state: RunState
    payload: Mapping[str, Any]
    """What `prepare` returned, as it is stored."""
    result_summary: Mapping[str, Any] | None = None
    """What the handler returned, as JSON gives it back; of a completed run."""
    error: RunError | None = None
    """Why it failed; None of a run that failed at first and completed in the end."""
    parked: Mapping[str, Any] | None = None
    """Why the run cannot go on: `code`, `message` and `version`."""
    attempts: int = 1
    tries: int = 1
    waits: tuple[timedelta, ...] = ()
    """The waits between the tries, which the fake clock took."""
    progress: tuple[ProgressSeen, ...] = ()
    steps: Mapping[str, Any] = field(default_factory=dict)
    """What is stored of the run's lineage, by key."""
    effects: tuple[EffectSeen, ...] = ()
    """The ledger as the run left it, with what earlier runs of the host wrote there."""
    started: tuple[StartSeen, ...] = ()
    exception: BaseException | None = field(default=None, compare=False)
    """What the handler raised in its last attempt, with its traceback."""

    def completed(self) -> Mapping[str, Any]:
        """The summary of a run that completed.

        Raises:
            AssertionError: it did not; the message says what became of it, and the handler's
                exception is its cause.
        """
        if self.state is RunState.COMPLETED and self.result_summary is not None:
            return self.result_summary
        why = self.error.user_message if self.error else (self.parked or {}).get("message", "")
        message = f"the run of {self.task_type} is {self.state}"
        raise AssertionError(f"{message}: {why}" if why else message) from self.exception


def effects_seen(effects: Mapping[Any, Effect]) -> tuple[EffectSeen, ...]:
    """A ledger as values, in the order in which it was written."""
    return tuple(
        EffectSeen(
            operation=effect.operation,
            key=effect.key,
            state=effect.state,
            value=effect.value if effect.state is EffectState.DONE else None,
        )
        for effect in effects.values()
    )
