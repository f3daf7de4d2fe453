"""What a plugin starts while it runs in a memory host: checked as a start, noted, never run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.database import new_id
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.users import User
from ticketgen.ports import StartedRun
from ticketgen.preparing import (
    as_stored,
    check_subject,
    exclusivity_key,
    read_request,
    require_any_number,
)
from ticketgen.registry import Registry
from ticketgen.testing.memory_context import through_json
from ticketgen.testing.run_outcome import StartSeen

__all__ = ["MemoryStarts", "MemoryWork"]


@dataclass(frozen=True, kw_only=True)
class MemoryStarts:
    """Notes starts; a task that is active already is answered with the run that was noted."""

    registry: Registry
    known_tasks: tuple[str, ...]
    started: dict[str, StartSeen]
    """By what no two active runs share."""

    async def start(
        self,
        task_type: str,
        *,
        session_id: UUID | None = None,
        request: BaseModel | Mapping[str, Any] | None = None,
        user: User | None = None,
    ) -> StartedRun:
        """Note a start; `prepare` of the task is not asked: `MemoryHost.run` does that.

        Raises:
            NotFoundError: no plugin of the host offers the task, nor is it one of `known_tasks`.
            InvalidInputError: the task does not take that request, or that session.
        """
        if task_type in self.known_tasks:
            key = f"{task_type}:{session_id}:{len(self.started)}"
            asked = as_stored(request) if isinstance(request, BaseModel) else dict(request or {})
        else:
            task = self.registry.task(task_type).task
            check_subject(task, session_id)
            asked = as_stored(read_request(task, request))
            key = exclusivity_key(task, session_id)
        existing = key in self.started
        if not existing:
            self.started[key] = StartSeen(
                task_type=task_type, request=through_json(asked), session_id=session_id
            )
        return StartedRun(run=_run(task_type, session_id, user), existing=existing)

    async def start_many(
        self,
        task_type: str,
        requests: Sequence[BaseModel | Mapping[str, Any]],
        *,
        session_id: UUID | None = None,
        user: User | None = None,
    ) -> list[UUID]:
        """Note many starts; raises as `start`, and for a task that runs once at a time."""
        asked: list[BaseModel | Mapping[str, Any]] = list(requests)
        if task_type not in self.known_tasks:
            task = self.registry.task(task_type).task
            require_any_number(task)
            asked = [read_request(task, request) for request in requests]
        started = [
            await self.start(task_type, session_id=session_id, request=request, user=user)
            for request in asked
        ]
        return [item.run.id for item in started]


@dataclass(frozen=True, kw_only=True)
class MemoryWork:
    """A unit of work of a memory host: what it starts is noted when it ends well."""

    db: AsyncSession
    starts: MemoryStarts

    async def start(self, task_type: str, **arguments: Any) -> StartedRun:
        """As `MemoryStarts.start`."""
        return await self.starts.start(task_type, **arguments)

    async def start_many(
        self,
        task_type: str,
        requests: Sequence[BaseModel | Mapping[str, Any]],
        **arguments: Any,
    ) -> list[UUID]:
        """As `MemoryStarts.start_many`."""
        return await self.starts.start_many(task_type, requests, **arguments)


def _run(task_type: str, session_id: UUID | None, user: User | None) -> TaskRun:
    run_id = new_id()
    return TaskRun(
        id=run_id,
        lineage_id=run_id,
        task_type=task_type,
        session_id=session_id,
        requested_by=user.id if user else None,
        state=RunState.QUEUED,
        attempt=0,
        tries=0,
        retry_count=0,
        progress={},
    )
