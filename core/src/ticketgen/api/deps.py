"""What a route may depend on: the unit of work, the caller, a session or run the caller may use.

Plugins' routers use the same. `Work` commits *before* the answer leaves: with FastAPI's
default scope a commit that fails would come after the 202.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Path
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.api.answers import TaskStarted, started_answer
from ticketgen.api.consulting import Consult
from ticketgen.api.csv_answers import csv_answer
from ticketgen.api.host import HostRuntime
from ticketgen.api.paging import Limit, Offset, tell_total, told_total
from ticketgen.api.problems import problem_responses
from ticketgen.domain import run_access, sessions, task_runs, tokens
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.users import User
from ticketgen.errors import AuthenticationError, PermissionDeniedError
from ticketgen.findings import FindingsError
from ticketgen.ports import Contributions, StartedRun, Starter
from ticketgen.registry import PluginUnavailableError
from ticketgen.starting import UnitOfWork
from ticketgen.vault import Vault as _PluginVault

__all__ = [
    "Admin",
    "Consult",
    "Credentials",
    "CurrentUser",
    "FindingsError",
    "InstalledContributions",
    "Limit",
    "LockedSession",
    "Offset",
    "OwnedSession",
    "SessionId",
    "StartedRun",
    "TaskStarted",
    "UnitOfWork",
    "Vault",
    "VisibleRun",
    "Work",
    "csv_answer",
    "current_user",
    "problem_responses",
    "refuse_foreign",
    "refuse_foreign_run",
    "service",
    "started_answer",
    "state",
    "tell_total",
    "told_total",
]

ServiceT = TypeVar("ServiceT")

_bearer = HTTPBearer(
    auto_error=False, description="A token made by `ticketgen tokens create`.", bearerFormat="tg_…"
)


async def _contributions(runtime: HostRuntime) -> Contributions:
    """What the installed plugins provide."""
    return runtime.registry


InstalledContributions = Annotated[Contributions, Depends(_contributions)]
"""What the installed plugins provide, found by type."""


async def _unit_of_work(runtime: HostRuntime) -> AsyncIterator[UnitOfWork]:
    """One transaction per request, committed when the route has returned."""
    async with runtime.unit_of_work() as work:
        yield work


Work = Annotated[UnitOfWork, Depends(_unit_of_work, scope="function")]
"""The transaction of the request, a `Starter`; committed for you before the answer leaves."""


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
"""What the header `Authorization` holds, if anything."""


async def current_user(work: Work, credentials: Credentials) -> User:
    """Whoever the bearer token belongs to.

    Raises:
        AuthenticationError: there is no token, or it is not good.
    """
    if credentials is None:
        raise AuthenticationError(
            "This address needs a token.",
            recovery_actions=["Send the header `Authorization: Bearer <token>`."],
        )
    return await tokens.authenticate(work.db, credentials.credentials)


CurrentUser = Annotated[User, Depends(current_user, scope="function")]
"""Whoever the request's token belongs to."""


async def _admin(user: CurrentUser) -> User:
    """The caller, if an administrator.

    Raises:
        PermissionDeniedError: the caller is none.
    """
    if not user.is_admin:
        raise PermissionDeniedError(
            "Only administrators may do this.", recovery_actions=["Ask one of them."]
        )
    return user


Admin = Annotated[User, Depends(_admin, scope="function")]
"""The same, if an administrator; otherwise 403."""

SessionId = Annotated[UUID, Path(description="The session's id.")]
"""The path parameter `session_id`."""


def refuse_foreign(session: WorkSession, user: User) -> None:
    """Let owners and administrators pass.

    Raises:
        PermissionDeniedError: the session belongs to somebody else.
    """
    if session.owner_id != user.id and not user.is_admin:
        raise PermissionDeniedError(
            "This session belongs to somebody else.",
            recovery_actions=["Ask its owner or an administrator to hand it over."],
        )


async def _owned_session(session_id: SessionId, work: Work, user: CurrentUser) -> WorkSession:
    """The session of the path, if the caller may use it."""
    session = await sessions.get_session(work.db, session_id)
    refuse_foreign(session, user)
    return session


OwnedSession = Annotated[WorkSession, Depends(_owned_session, scope="function")]
"""The session of `session_id`, for its owner and administrators; otherwise 403 or 404."""


async def _locked_session(session_id: SessionId, work: Work, user: CurrentUser) -> WorkSession:
    """The session of the path, its row locked until the answer: for routes that change it."""
    session = await sessions.lock_session(work.db, session_id)
    refuse_foreign(session, user)
    return session


LockedSession = Annotated[WorkSession, Depends(_locked_session, scope="function")]
"""The same, its row locked until the answer: for routes that change it."""


async def refuse_foreign_run(db: AsyncSession, run: TaskRun, user: User) -> None:
    """Let whoever started the run pass, the owner of its session, and administrators.

    Raises:
        PermissionDeniedError: the caller is none of them.
    """
    if not await run_access.may_see_run(db, run, user):
        raise PermissionDeniedError(
            "This run belongs to somebody else, or to the system.",
            recovery_actions=["Ask an administrator."],
        )


async def _visible_run(
    task_id: Annotated[UUID, Path(description="The run's id.")], work: Work, user: CurrentUser
) -> TaskRun:
    """The run of the path, if the caller may see it."""
    run = await task_runs.get_run(work.db, task_id)
    await refuse_foreign_run(work.db, run, user)
    return run


VisibleRun = Annotated[TaskRun, Depends(_visible_run, scope="function")]
"""The run of `task_id`, for whoever may see it; otherwise 403 or 404."""


def service(build: Callable[[Starter], ServiceT]) -> Any:
    """A dependency that builds a plugin's service for the request's unit of work.

    Use it as `Annotated[MyService, service(MyService)]`.
    """

    async def built(work: Work) -> ServiceT:
        return build(work)

    return Depends(built, scope="function")


async def _state(runtime: HostRuntime, connection: HTTPConnection) -> Any:
    """What the lifespan of the plugin whose route this is has yielded in this process.

    Raises:
        PluginUnavailableError: it has not been started here, or has no lifespan.
    """
    plugin: str = connection.state.plugin
    if plugin not in runtime.states:
        raise PluginUnavailableError(
            f"The plugin {plugin!r} has not been started in this process.",
            recovery_actions=["Give it a lifespan that yields what its routes use."],
        )
    return runtime.states[plugin]


state: Any = Depends(_state)
"""What the plugin's lifespan has yielded: use it as `Annotated[MyClient, state]`, in the routes of
`Plugin.router` and `Plugin.public_router`."""


async def _vault(runtime: HostRuntime, connection: HTTPConnection) -> _PluginVault:
    """The secrets of the plugin whose route this is."""
    return runtime.vault(connection.state.plugin)


Vault = Annotated[_PluginVault, Depends(_vault)]
"""The plugin's secrets of other systems, sealed at rest; in the routes of a plugin."""
