"""Mounts everything of plugins: what each may answer, or why it cannot be used.

A plugin's routers are put together by themselves and looked at before they become part of the app:
under the plugin's prefix, behind authentication unless they are public, and with operation ids of
their own. One that does not stand the look is out of use, and the rest of the host is not touched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.openapi.utils import get_openapi
from fastapi.params import Depends as Dependency
from fastapi.requests import HTTPConnection
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute

from ticketgen.api.deps import Credentials, current_user
from ticketgen.api.host import HostRuntime
from ticketgen.api.problems import problem_responses
from ticketgen.api.routes.tasks import is_stream, task_router
from ticketgen.api.streaming.websocket import refuse_stream
from ticketgen.conformance import Problem, check_identity, raised
from ticketgen.errors import NotFoundError
from ticketgen.lazy import loaded
from ticketgen.plugin import Plugin
from ticketgen.registry import PluginUnavailableError, Registry

__all__ = ["describable", "mount_plugins", "prove_routers"]

_log = structlog.get_logger(__name__)

_UNKNOWN_CALLER = 401

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")

_REMEDY = "Its author has to mend the routers; without them the plugin could be loaded."


def mount_plugins(app: FastAPI, registry: Registry) -> None:
    """Mount the plugins' tasks and routers; addresses of broken plugins answer 503 with why.

    Core's own routes come first, so no plugin can take one of their addresses.
    """
    for plugin in _loaded(registry):
        _mount_tasks(app, registry, plugin)
    taken = set(_explicit_ids(app.routes))
    for plugin in _loaded(registry):
        problem = _mount_routers(app, plugin, taken)
        if problem is not None:
            registry.standing.put_out(plugin.name, problem)
            _mount_refusal(app, plugin.name)
    for name in _broken_names(registry):
        _mount_refusal(app, name)


def prove_routers(registry: Registry) -> dict[str, Problem]:
    """Why the routers of plugins could not be mounted, by plugin; nothing is put out of use."""
    app, taken = FastAPI(), set(_explicit_ids(task_router(registry).routes))
    problems = {plugin.name: _mount_routers(app, plugin, taken) for plugin in _loaded(registry)}
    return {name: problem for name, problem in problems.items() if problem is not None}


def describable(routes: Iterable[BaseRoute]) -> list[RouteContext]:
    """The routes that OpenAPI can tell of; one whose models it cannot is left out, and logged."""
    well: list[RouteContext] = []
    for context in iter_route_contexts(list(routes)):
        try:
            get_openapi(title="", version="", routes=[context])
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"[:300]
            _log.warning("route_not_described", path=context.path, error=cause)
        else:
            well.append(context)
    return well


def _loaded(registry: Registry) -> Iterator[Plugin]:
    return (found.plugin for found in registry.loaded if found.plugin is not None)


def _broken_names(registry: Registry) -> list[str]:
    """Names of plugins that could not be loaded, if they may have an address at all."""
    in_use = {plugin.name for plugin in _loaded(registry)}
    broken = {found.name for found in registry.loaded if found.status.is_broken}
    return sorted(name for name in broken - in_use if not check_identity(name))


def _mount_tasks(app: FastAPI, registry: Registry, plugin: Plugin) -> None:
    """What every task gets from core; streams go on while the plugin is out of use."""
    routes = task_router(registry, plugin=plugin.name).routes
    streams: list[BaseRoute] = [route for route in routes if is_stream(route)]
    app.include_router(
        APIRouter(routes=[route for route in routes if route not in streams]),
        dependencies=_guards(plugin.name),
    )
    app.include_router(APIRouter(routes=streams))


def _guards(plugin: str) -> list[Dependency]:
    """Authentication first: why a plugin is out of use is nobody's news but a user's."""
    return [Depends(current_user, scope="function"), Depends(_in_use(plugin))]


def _in_use(plugin: str) -> Callable[..., Awaitable[None]]:
    async def require(runtime: HostRuntime, connection: HTTPConnection) -> None:
        runtime.registry.require(plugin)
        connection.state.plugin = plugin

    return require


def _in_use_for_everybody(plugin: str) -> Callable[..., Awaitable[None]]:
    async def require(runtime: HostRuntime, connection: HTTPConnection) -> None:
        _require_for_everybody(runtime.registry, plugin)
        connection.state.plugin = plugin

    return require


def _require_for_everybody(registry: Registry, plugin: str) -> None:
    """The same refusal, without the reason."""
    try:
        registry.require(plugin)
    except PluginUnavailableError:
        raise PluginUnavailableError(
            f"The plugin {plugin!r} is out of use.",
            recovery_actions=["Ask an administrator; GET /api/plugins says why."],
        ) from None


def _mount_routers(app: FastAPI, plugin: Plugin, taken: set[str]) -> Problem | None:
    """Mount the plugin's own routes; where something is wrong with them none is, and it is told."""
    try:
        guarded, public = _put_together(plugin)
        # FastAPI builds routes when they are first asked for; one that fails does it here.
        problem = _flaw(plugin, guarded, public, taken)
    except Exception as error:
        return raised("mount", error, _REMEDY)
    if problem is None:
        for router in (guarded, public):
            taken.update(_explicit_ids(router.routes))
            app.include_router(router)
    return problem


def _put_together(plugin: Plugin) -> tuple[APIRouter, APIRouter]:
    """The plugin's two routers as they will be served: behind authentication, and public."""
    guarded, public = APIRouter(), APIRouter()
    place: dict[str, Any] = {"prefix": f"/api/{plugin.name}", "tags": [plugin.name]}
    answers = problem_responses()
    if plugin.router is not None:
        guarded.include_router(
            loaded(plugin.router), dependencies=_guards(plugin.name), responses=answers, **place
        )
    if plugin.public_router is not None:
        public.include_router(
            loaded(plugin.public_router),
            dependencies=[Depends(_in_use_for_everybody(plugin.name))],
            responses={status: answers[status] for status in answers if status != _UNKNOWN_CALLER},
            **place,
        )
    return guarded, public


def _flaw(plugin: Plugin, guarded: APIRouter, public: APIRouter, taken: set[str]) -> Problem | None:
    """What is wrong with routes as they would be served; None if nothing is."""
    prefix = f"/api/{plugin.name}"
    for context in iter_route_contexts([*guarded.routes, *public.routes]):
        path = context.path or ""
        if type(context.original_route) is not APIRoute:
            return _refused(f"route {path} is no plain HTTP route")
        if path != prefix and not path.startswith(f"{prefix}/"):
            return _refused(f"route {path} is outside {prefix}")
        if context.operation_id in taken:
            return _refused(f"operation id {context.operation_id!r} is another route's already")
    for context in iter_route_contexts(guarded.routes):
        if not _is_guarded(context.dependant):
            return _refused(f"route {context.path} is not behind the host's authentication")
    return None


def _refused(message: str) -> Problem:
    return Problem(phase="mount", message=message, remedy=_REMEDY)


def _is_guarded(dependant: Any) -> bool:
    """Whether the caller is looked up before the route is entered, at whatever depth."""
    return any(inner.call is current_user or _is_guarded(inner) for inner in dependant.dependencies)


def _explicit_ids(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """The operation ids that authors have given.

    Including a router changes none of them, so that they are read from the routes as they were
    written: what FastAPI makes of them is made when they are first asked for, and costs most of
    the start of an API.
    """
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _explicit_ids(included.routes)
        elif (name := getattr(route, "operation_id", None)) is not None:
            yield name


def _mount_refusal(app: FastAPI, plugin: str) -> None:
    """Answer everything under the plugin's names with 503, and known callers with why.

    Which of its addresses are public nobody knows now, so that callers without a token get 503 as
    well: whoever delivers something to a public one takes a 401 as final, and a 503 to try again.
    """

    async def refuse(runtime: HostRuntime, credentials: Credentials) -> None:
        if credentials is None:
            _require_for_everybody(runtime.registry, plugin)
        else:
            async with runtime.unit_of_work() as work:
                await current_user(work, credentials)
            runtime.registry.require(plugin)
        raise NotFoundError(
            "There is nothing at this address.", recovery_actions=["See GET /api/plugins."]
        )

    async def refuse_progress(websocket: WebSocket, session_id: UUID, more: str = "") -> None:
        task_type = f"{plugin}.{more}" if more else plugin
        await refuse_stream(websocket, task_type=task_type, session_id=session_id, plugin=plugin)

    for path in (f"/api/{plugin}", f"/api/{plugin}/{{rest:path}}", f"/api/{plugin}.{{rest:path}}"):
        app.add_api_route(path, refuse, methods=list(_METHODS), include_in_schema=False)
    for task_type in (plugin, f"{plugin}.{{more}}"):
        app.add_api_websocket_route(f"/api/{task_type}/progress/{{session_id}}", refuse_progress)
