"""One unit of work: a transaction, the runs started or ended in it, and telling of them after.

The row is the outbox. A start is stored together with the change it belongs to; only when that
is committed is the queue told. If the queue cannot be told, the run is there all the same, and
the reconciler (`maintenance.py`) delivers it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.announcing import Announcer
from ticketgen.database import SessionFactory, connected_session
from ticketgen.delivering import deliveries_of, hand_over
from ticketgen.domain import audit, sessions, task_runs, transitions
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import Retry, RunState, TaskRun
from ticketgen.domain.users import User
from ticketgen.errors import ConflictError
from ticketgen.plugin import Exclusivity, Task
from ticketgen.ports import StartContext, StartedRun
from ticketgen.preparing import (
    as_stored,
    check_subject,
    exclusivity_key,
    payload_of,
    read_request,
    require_any_number,
)
from ticketgen.queue import Delivery, RunQueue
from ticketgen.registry import RegisteredTask, Registry
from ticketgen.settling import discard_results, move_stage, moves_of, moves_to_store
from ticketgen.starting_together import store_together

__all__ = [
    "MAX_RETRIES",
    "NotCancellableError",
    "NotRetryableError",
    "TaskConflictError",
    "UnitOfWork",
    "unit_of_work",
]

MAX_RETRIES = 3
"""So often a run may be tried again by hand; automatic tries are counted apart."""


class TaskConflictError(ConflictError):
    """Another task is at work on the session and must end first."""

    code = "task_conflict"


class NotRetryableError(ConflictError):
    """The run cannot be tried again."""

    code = "not_retryable"


class NotCancellableError(ConflictError):
    """The run has ended already."""

    code = "not_cancellable"


class UnitOfWork:
    """A `Starter` bound to one transaction; whoever opened the unit commits it."""

    def __init__(self, db: AsyncSession, registry: Registry) -> None:
        self.db = db
        self._registry = registry
        self._started: list[TaskRun] = []
        self._started_together: list[Delivery] = []
        self._ended: list[TaskRun] = []

    @property
    def started(self) -> list[Delivery]:
        """What has to be delivered once the transaction is committed."""
        return [*deliveries_of(self._started, self._registry), *self._started_together]

    @property
    def ended(self) -> tuple[TaskRun, ...]:
        """What has to be announced once the transaction is committed."""
        return tuple(self._ended)

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
        return await self._start(
            self._registry.task(task_type), session_id=session_id, request=request, user=user
        )

    async def start_many(
        self,
        task_type: str,
        requests: Sequence[BaseModel | Mapping[str, Any]],
        *,
        session_id: UUID | None = None,
        user: User | None = None,
    ) -> list[UUID]:
        """Validate and store many runs of one task; their ids, in the order of the requests.

        All of them or none. It is for tasks that any number of may run at once
        (`Exclusivity.NONE`), and the audit has one entry for all of them.

        Raises:
            NotFoundError: no installed plugin offers the task, or there is no such session.
            InvalidInputError: a request does not fit, or the task runs once at a time.
            ConflictError: the session's stage, or another task at work, does not allow it.
            TicketgenError: what the task's own `prepare` refuses.
        """
        registered = self._registry.task(task_type)
        task = registered.task
        require_any_number(task)
        session = await self._subject(task, session_id)
        if session is not None:
            await self._allow(task, session)
        context = self._context(registered, session, user)
        deliveries = await store_together(registered, context, requests)
        if deliveries:
            self._move_on(task, session)
        self._started_together += deliveries
        return [delivery.run_id for delivery in deliveries]

    async def retry(self, run_id: UUID, *, user: User | None = None) -> StartedRun:
        """Try a failed or cancelled run again: a new run of its lineage, asked for the same.

        What is done by its steps is not done again; gates and checks are asked anew.

        Raises:
            NotFoundError: there is no such run, or no installed plugin offers its task.
            ConflictError: it may not be tried again, now or any more.
            TicketgenError: what the task's own `prepare` refuses.
        """
        run = await task_runs.get_run(self.db, run_id)
        registered = self._registry.task(run.task_type)
        await self._subject(registered.task, run.session_id)
        run = await task_runs.lock_run(self.db, run_id) or run  # of two at once the second sees it
        retry = await self._retry_of(run, registered.task)
        request = _readable(registered.task, run.request)
        return await self._start(
            registered, session_id=run.session_id, request=request, user=user, retry=retry
        )

    async def _retry_of(self, run: TaskRun, task: Task[Any, Any]) -> Retry:
        if run.state not in {RunState.FAILED, RunState.CANCELLED}:
            raise NotRetryableError(
                f"The run is {run.status}; only failed and cancelled runs can be tried again.",
                recovery_actions=["Start the task anew instead."]
                if run.state is RunState.COMPLETED
                else ["Wait until it has ended, or cancel it."],
            )
        newest = await task_runs.newest_of_lineage(self.db, run.lineage_id)
        if run.session_id is not None and task.exclusivity is Exclusivity.SUBJECT:
            newest = (
                await task_runs.latest_run(
                    self.db, session_id=run.session_id, task_type=run.task_type
                )
                or newest
            )
        if newest.id != run.id:
            raise NotRetryableError(
                f"A newer run has taken its place: {newest.id}.",
                recovery_actions=["Look at that one."],
                technical_details={"task_id": str(newest.id)},
            )
        if run.retry_count >= MAX_RETRIES:
            raise NotRetryableError(
                f"It was tried again {MAX_RETRIES} times already.",
                recovery_actions=["Start the task anew; what its steps had done is done again."],
            )
        return Retry(
            of=run.id,
            lineage_id=run.lineage_id,
            count=run.retry_count + 1,
            schedule=run.schedule,
        )

    async def cancel(self, run_id: UUID, *, user: User | None = None) -> TaskRun:
        """Cancel a run that waits at once, and ask one at work to stop; asking twice is no error.

        Raises:
            NotFoundError: there is no such run.
            NotCancellableError: it has completed or failed.
        """
        run = await task_runs.get_run(self.db, run_id)
        registered = self._registry.tasks.get(run.task_type)
        task = registered.task if registered else None
        if run.session_id is not None:
            await sessions.lock_session(self.db, run.session_id)
        locked = await task_runs.lock_run(self.db, run_id)
        if locked is None or locked.state is RunState.CANCELLED:
            return locked or run
        if locked.is_settled:
            raise NotCancellableError(
                f"The run has {locked.status} already.",
                recovery_actions=["See it with GET /api/runs/{task_id}."],
            )
        if locked.state is RunState.RUNNING:
            await transitions.request_cancel(self.db, run_id)
        else:
            await move_stage(self.db, locked, moves_of(locked, task).on_cancel)
            await discard_results(self.db, locked, task)
            cancelled = await transitions.cancel_waiting_run(self.db, run_id)
            self._ended += [cancelled] if cancelled else []
        self._record("run.cancelled", locked, user)
        await self.db.flush()
        return await task_runs.get_run(self.db, run_id)

    async def resume(self, run_id: UUID, *, user: User | None = None) -> TaskRun:
        """Queue a parked run again now, without waiting for a worker that offers it.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it is not parked.
        """
        resumed = await transitions.resume_runs(self.db, [run_id])
        if not resumed:
            run = await task_runs.get_run(self.db, run_id)
            raise ConflictError(
                f"The run is not parked; it is {run.state}.",
                recovery_actions=["Nothing is to be done: only a parked run waits to be resumed."],
            )
        self._started += resumed
        self._record("run.resumed", resumed[0], user)
        return resumed[0]

    def _record(self, action: str, run: TaskRun, user: User | None) -> None:
        audit.record(
            self.db,
            action,
            actor_id=user.id if user else None,
            session_id=run.session_id,
            subject=run.id,
            details={"task_type": run.task_type},
        )

    async def _start(
        self,
        registered: RegisteredTask,
        *,
        session_id: UUID | None,
        request: BaseModel | None,
        user: User | None,
        retry: Retry | None = None,
    ) -> StartedRun:
        task = registered.task
        session = await self._subject(task, session_id)
        running = await self._already_running(task, session)
        if running is not None:
            return StartedRun(run=running, existing=True)
        if session is not None:
            await self._allow(task, session)
        asked = read_request(task, request)
        context = self._context(registered, session, user)
        new = task_runs.NewRun(
            task_type=task.name,
            payload=await payload_of(task, context, asked),
            request=as_stored(asked),
            stage_moves=moves_to_store(task.stages),
            exclusivity_key=exclusivity_key(task, session_id),
            session_id=session_id,
            requested_by=user.id if user else None,
            conflict_group=task.conflict_group,
            retry=retry,
        )
        return await self._store(task, session, new, user)

    def _context(
        self, registered: RegisteredTask, session: WorkSession | None, user: User | None
    ) -> StartContext:
        return StartContext(
            db=self.db,
            session=session,
            user=user,
            settings=registered.settings,
            contributions=self._registry,
            hooks=self._registry.hooks,
        )

    async def _subject(self, task: Task[Any, Any], session_id: UUID | None) -> WorkSession | None:
        check_subject(task, session_id)
        return None if session_id is None else await sessions.lock_session(self.db, session_id)

    async def _already_running(
        self, task: Task[Any, Any], session: WorkSession | None
    ) -> TaskRun | None:
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
        task: Task[Any, Any],
        session: WorkSession | None,
        new: task_runs.NewRun,
        user: User | None,
    ) -> StartedRun:
        run, existing = await task_runs.insert_run(self.db, new)
        if existing and run.session_id != new.session_id:
            raise TaskConflictError(
                f"`{task.name}` is at work on another session, and runs once at a time.",
                recovery_actions=["Wait until it has ended."],
            )
        if existing:
            return StartedRun(run=run, existing=True)
        self._move_on(task, session)
        self._record("run.retried" if new.retry else "run.started", run, user)
        await self.db.flush()
        self._started.append(run)
        return StartedRun(run=run, existing=False)

    @staticmethod
    def _move_on(task: Task[Any, Any], session: WorkSession | None) -> None:
        if session is None:
            return
        sessions.touch(session)
        if task.stages is not None and task.stages.on_start is not None:
            session.stage = task.stages.on_start


def _readable(task: Task[Any, Any], stored: dict[str, Any] | None) -> BaseModel:
    """The request of an earlier run, as the installed plugin reads it."""
    model: type[BaseModel] = task.request
    try:
        return model.model_validate(stored or {})
    except ValidationError:
        raise NotRetryableError(
            "What the run was asked does not fit the installed version of its plugin.",
            recovery_actions=["Start the task anew."],
        ) from None


@asynccontextmanager
async def unit_of_work(
    session_factory: SessionFactory, registry: Registry, queue: RunQueue, announcer: Announcer
) -> AsyncIterator[UnitOfWork]:
    """A transaction that commits when the block ends well; then what it did is told.

    Raises:
        DatabaseUnavailableError: no connection to the database could be had.
    """
    async with connected_session(session_factory) as db:
        work = UnitOfWork(db, registry)
        yield work
        await db.commit()
    await hand_over(queue, work.started)
    for run in work.ended:
        await announcer.announce(run)
