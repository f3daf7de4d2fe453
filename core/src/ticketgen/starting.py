"""One unit of work: a transaction, the runs started in it, and their delivery after the commit.

The row is the outbox. A start is stored together with the change it belongs to; only when that
is committed is the queue told. If the queue cannot be told, the run is there all the same, and
the reconciler (`maintenance.py`) delivers it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid4

from ticketgen.context import StartContext, StartedRun
from ticketgen.database import SessionFactory, connected_session
from ticketgen.domain import audit, sessions, task_runs
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.users import User
from ticketgen.errors import ConflictError, InvalidInputError
from ticketgen.plugin import Exclusivity, Subject, Task
from ticketgen.queue import Delivery, QueueUnavailableError, RunQueue
from ticketgen.registry import RegisteredTask, Registry

__all__ = ["TaskConflictError", "UnitOfWork", "deliver", "delivery_of", "unit_of_work"]

_log = structlog.get_logger(__name__)


class TaskConflictError(ConflictError):
    """Another task is at work on the session and must end first."""

    code = "task_conflict"


class UnitOfWork:
    """A `Starter` bound to one transaction; whoever opened the unit commits it."""

    def __init__(self, db: AsyncSession, registry: Registry) -> None:
        self.db = db
        self._registry = registry
        self._started: list[Delivery] = []

    @property
    def started(self) -> tuple[Delivery, ...]:
        """What has to be delivered once the transaction is committed."""
        return tuple(self._started)

    async def start(
        self,
        task_type: str,
        *,
        session_id: UUID | None = None,
        request: BaseModel | None = None,
        user: User | None = None,
    ) -> StartedRun:
        """Validate and store a run, or find the active one in whose place it would be.

        Raises:
            NotFoundError: no installed plugin offers the task, or there is no such session.
            ConflictError: the session's stage, or another task at work, does not allow it.
            TicketgenError: what the task's own `prepare` refuses.
        """
        registered = self._registry.task(task_type)
        task = registered.task
        session = await self._subject(task, session_id)
        running = await self._already_running(task, session)
        if running is not None:
            return StartedRun(run=running, existing=True)
        if session is not None:
            await self._allow(task, session)
        context = StartContext(
            db=self.db,
            session=session,
            user=user,
            settings=registered.settings,
            contributions=self._registry,
            hooks=self._registry.hooks,
        )
        try:
            payload = await task.prepare(context, _validated(task, request))
        except SystemExit as error:
            raise RuntimeError(f"prepare of {task.name!r} tried to end the process") from error
        return await self._store(registered, session, payload, user)

    async def _subject(self, task: Task[Any, Any], session_id: UUID | None) -> WorkSession | None:
        if task.subject is Subject.NONE:
            if session_id is not None:
                raise InvalidInputError(f"The task {task.name!r} is not about a session.")
            return None
        if session_id is None:
            raise InvalidInputError(f"The task {task.name!r} needs a session.")
        return await sessions.lock_session(self.db, session_id)

    async def _already_running(
        self, task: Task[Any, Any], session: WorkSession | None
    ) -> task_runs.TaskRun | None:
        if session is None or task.exclusivity is not Exclusivity.SUBJECT:
            return None
        latest = await task_runs.latest_run(self.db, session_id=session.id, task_type=task.name)
        return latest if latest is not None and latest.is_active else None

    async def _allow(self, task: Task[Any, Any], session: WorkSession) -> None:
        if task.conflict_group is not None:
            other = await task_runs.find_active_run(
                self.db,
                session_id=session.id,
                conflict_group=task.conflict_group,
                except_type=task.name,
            )
            if other is not None:
                raise TaskConflictError(
                    f"`{other.task_type}` is at work on this session; `{task.name}` has to wait.",
                    recovery_actions=[f"Wait until the run {other.id} has ended."],
                    technical_details={"task_id": str(other.id), "task_type": other.task_type},
                )
        if task.stages is not None:
            sessions.require_stage(session, *task.stages.allowed, doing=f"`{task.name}`")

    async def _store(
        self,
        registered: RegisteredTask,
        session: WorkSession | None,
        payload: BaseModel,
        user: User | None,
    ) -> StartedRun:
        task = registered.task
        session_id = session.id if session else None
        run, existing = await task_runs.insert_run(
            self.db,
            task_runs.NewRun(
                task_type=task.name,
                payload=_as_json(payload),
                exclusivity_key=_exclusivity_key(task, session_id),
                session_id=session_id,
                requested_by=user.id if user else None,
                conflict_group=task.conflict_group,
            ),
        )
        if existing and run.session_id != session_id:
            raise TaskConflictError(
                f"`{task.name}` is at work on another session, and runs once at a time.",
                recovery_actions=["Wait until it has ended."],
            )
        if existing:
            return StartedRun(run=run, existing=True)
        if session is not None:
            sessions.touch(session)
            if task.stages is not None and task.stages.on_start is not None:
                session.stage = task.stages.on_start
        audit.record(
            self.db,
            "run.started",
            actor_id=user.id if user else None,
            session_id=session_id,
            subject=run.id,
            details={"task_type": task.name},
        )
        await self.db.flush()
        self._started.append(delivery_of(run, task))
        return StartedRun(run=run, existing=False)


def delivery_of(run: task_runs.TaskRun, task: Task[Any, Any]) -> Delivery:
    """The push that a run's row asks for."""
    return Delivery(
        run_id=run.id, task_type=run.task_type, delivery=run.delivery, job_name=task.job_name
    )


def _as_json(payload: BaseModel) -> dict[str, Any]:
    try:
        return payload.model_dump(mode="json")
    except (ValueError, RecursionError):
        raise InvalidInputError(
            "The request is nested too deeply, or holds a value that JSON has no word for.",
            recovery_actions=["Send plain values: texts, numbers, short lists and objects."],
        ) from None


def _validated(task: Task[Any, Any], request: BaseModel | None) -> BaseModel:
    model: type[BaseModel] = task.request
    if isinstance(request, model):
        return request
    try:
        return model.model_validate({} if request is None else request.model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"{task.name}: {field}: {first['msg']}") from None


def _exclusivity_key(task: Task[Any, Any], session_id: UUID | None) -> str:
    if task.exclusivity is Exclusivity.NONE:
        return f"{task.name}:{uuid4()}"
    if task.exclusivity is Exclusivity.TYPE or session_id is None:
        return task.name
    return f"{task.name}:{session_id}"


async def deliver(queue: RunQueue, deliveries: tuple[Delivery, ...]) -> None:
    """Tell the queue, as far as it can be reached; what it misses is delivered later."""
    for delivery in deliveries:
        try:
            await queue.push(delivery)
        except QueueUnavailableError as error:
            _log.warning("delivery_postponed", run=str(delivery.run_id), error=error.message)
            return


@asynccontextmanager
async def unit_of_work(
    session_factory: SessionFactory, registry: Registry, queue: RunQueue
) -> AsyncIterator[UnitOfWork]:
    """A transaction that commits when the block ends well, and then delivers what it started.

    Raises:
        DatabaseUnavailableError: no connection to the database could be had.
    """
    async with connected_session(session_factory) as db:
        work = UnitOfWork(db, registry)
        yield work
        await db.commit()
    await deliver(queue, work.started)
