"""The routes every task gets from core: start, status, cancel, retry, progress.

A plugin writes none of them. Those of a session are the convenient face of `/api/runs`: they mean
its newest run of the task.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Request, Response, WebSocket
from fastapi.routing import APIRoute, APIWebSocketRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import BaseRoute

from ticketgen.api import examples
from ticketgen.api.deps import (
    Admin,
    Consult,
    CurrentUser,
    OwnedSession,
    SessionId,
    TaskStarted,
    Work,
    problem_responses,
    started_answer,
)
from ticketgen.api.polling import tagged_answer
from ticketgen.api.routes.runs import EVENTS, POLLED, STREAM_PARAMETERS, Polls, RunView, view_run
from ticketgen.api.streaming.events import events_of_session
from ticketgen.api.streaming.websocket import stream_session
from ticketgen.domain import task_runs
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.errors import NotFoundError
from ticketgen.plugin import Caller, Subject, Task
from ticketgen.registry import Registry
from ticketgen.starting import UnitOfWork

__all__ = ["TaskStatus", "is_stream", "task_router"]


_START = """Store a run and hand it to the workers. If one of the kind is active already, it is
answered with that run and `existing: true`."""
_STATUS = """Tell where the newest run stands; 200 with `not_started` if there was none. Send the
`ETag` of the last answer as `If-None-Match`, and 304 says that nothing has changed. Ask every 2 s
at most: 60 questions without a pause are let pass, then 429 says when to come back."""
_EVENTS = """Follow the newest run as server-sent events, to its ending. A browser that comes back
goes on after the last event it has seen; 204 says that it has seen the ending."""
_CANCEL = """End the newest run: one that waits at once, one at work as soon as its worker hears of
it."""
_RETRY = """Try the newest run again, if it failed or was cancelled: a new run that goes on where it
stopped, at most three times."""


class TaskStatus(BaseModel):
    """Where a task of a session stands; `run` is its newest run, if there is one."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TASK_STATUS]})

    session_id: UUID
    task_type: str
    status: str = Field(
        description="not_started, processing, completed, failed or cancelled.",
        examples=["processing"],
    )
    run: RunView | None


def task_router(registry: Registry, *, plugin: str | None = None) -> APIRouter:
    """Start, status and progress for every task of the registry, or of one plugin."""
    router = APIRouter()
    for registered in registry.tasks.values():
        if plugin is not None and registered.plugin.name != plugin:
            continue
        if registered.task.subject is Subject.SESSION:
            _mount_session_task(router, registered.task)
        elif registered.task.startable_by is not Caller.SCHEDULE:
            _mount_free_task(router, registered.task)
    return router


def is_stream(route: BaseRoute) -> bool:
    """Whether a route of a task is a stream, which admits its clients itself."""
    events = "/events/{session_id}"
    return isinstance(route, APIWebSocketRoute) or (
        isinstance(route, APIRoute) and route.path.endswith(events)
    )


def _mount_session_task(router: APIRouter, task: Task[Any, Any]) -> None:
    prefix = f"/api/{task.name}"
    tags: list[Any] = [task.name]

    async def start(
        session: OwnedSession,
        work: Work,
        user: CurrentUser,
        consult: Consult,
        request: Any = None,
    ) -> TaskStarted:
        await consult(work, task.name, session=session, user=user, request=request)
        return started_answer(
            await work.start(task.name, session_id=session.id, request=request, user=user)
        )

    async def status(
        session: OwnedSession, work: Work, user: CurrentUser, request: Request, polls: Polls
    ) -> Response:
        polls.spend(user.id, f"{task.name}:{session.id}")
        run = await task_runs.latest_run(work.db, session_id=session.id, task_type=task.name)
        view = TaskStatus(
            session_id=session.id,
            task_type=task.name,
            status=run.status if run else "not_started",
            run=view_run(run) if run else None,
        )
        return tagged_answer(request, view)

    if task.startable_by is not Caller.SCHEDULE:
        start.__annotations__ |= {"request": _optional_body(task), "user": _caller(task)}
        router.add_api_route(
            f"{prefix}/start/{{session_id}}",
            start,
            methods=["POST"],
            status_code=202,
            tags=tags,
            summary=f"Start: {task.summary}",
            description=_START,
            operation_id=f"start_{task.name.replace('.', '_')}",
            responses=problem_responses(403, 404, 409, 422),
        )
    router.add_api_route(
        f"{prefix}/status/{{session_id}}",
        status,
        methods=["GET"],
        tags=tags,
        summary=f"Status: {task.summary}",
        description=_STATUS,
        operation_id=f"status_{task.name.replace('.', '_')}",
        response_model=TaskStatus,
        responses={**problem_responses(403, 404, 429), **POLLED},
    )
    _mount_session_streams(router, task)
    _mount_session_deeds(router, task)


def _mount_session_streams(router: APIRouter, task: Task[Any, Any]) -> None:
    async def progress(websocket: WebSocket, session_id: UUID) -> None:
        await stream_session(websocket, task_type=task.name, session_id=session_id)

    async def events(request: Request, session_id: SessionId) -> Response:
        return await events_of_session(request, task_type=task.name, session_id=session_id)

    router.add_api_websocket_route(f"/api/{task.name}/progress/{{session_id}}", progress)
    router.add_api_route(
        f"/api/{task.name}/events/{{session_id}}",
        events,
        methods=["GET"],
        tags=[task.name],
        summary=f"Events: {task.summary}",
        description=_EVENTS,
        operation_id=f"events_{task.name.replace('.', '_')}",
        response_class=Response,
        responses={**problem_responses(403, 404, 422), **EVENTS},
        openapi_extra=STREAM_PARAMETERS,
    )


def _mount_session_deeds(router: APIRouter, task: Task[Any, Any]) -> None:
    async def cancel(session: OwnedSession, work: Work, user: CurrentUser) -> RunView:
        run = await _newest(work, session, task)
        return view_run(await work.cancel(run.id, user=user))

    async def retry(
        session: OwnedSession, work: Work, user: CurrentUser, consult: Consult
    ) -> TaskStarted:
        run = await _newest(work, session, task)
        await consult(work, task.name, session=session, user=user, request=run.request)
        return started_answer(await work.retry(run.id, user=user))

    retry.__annotations__ |= {"user": _caller(task)}
    for verb, route, description in (
        ("cancel", cancel, _CANCEL),
        ("retry", retry, _RETRY),
    ):
        router.add_api_route(
            f"/api/{task.name}/{verb}/{{session_id}}",
            route,
            methods=["POST"],
            status_code=202,
            tags=[task.name],
            summary=f"{verb.capitalize()}: {task.summary}",
            description=description,
            operation_id=f"{verb}_{task.name.replace('.', '_')}",
            responses=problem_responses(403, 404, 409),
        )


def _caller(task: Task[Any, Any]) -> Any:
    """Who may start the task; of one that only a schedule starts, who may try it again."""
    return CurrentUser if task.startable_by is Caller.OWNER else Admin


async def _newest(work: UnitOfWork, session: WorkSession, task: Task[Any, Any]) -> TaskRun:
    run = await task_runs.latest_run(work.db, session_id=session.id, task_type=task.name)
    if run is None:
        raise NotFoundError(
            f"`{task.name}` has not run in this session.",
            recovery_actions=[f"Start it with POST /api/{task.name}/start/{session.id}."],
        )
    return run


def _mount_free_task(router: APIRouter, task: Task[Any, Any]) -> None:
    async def start(work: Work, user: Admin, consult: Consult, request: Any = None) -> TaskStarted:
        await consult(work, task.name, session=None, user=user, request=request)
        return started_answer(await work.start(task.name, request=request, user=user))

    start.__annotations__ |= {"request": _optional_body(task)}
    router.add_api_route(
        f"/api/{task.name}/start",
        start,
        methods=["POST"],
        status_code=202,
        tags=[task.name],
        summary=f"Start: {task.summary}",
        description=_START,
        operation_id=f"start_{task.name.replace('.', '_')}",
        responses=problem_responses(403, 422),
    )


def _optional_body(task: Task[Any, Any]) -> Any:
    """The task's request model as a body that may be left out."""
    model: Any = task.request
    return Annotated[model | None, Body(description="May be left out for the defaults.")]
