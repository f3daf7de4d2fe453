"""Whether the routers of a plugin keep to its prefix, and behind the host's authentication."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from ticketgen.conformance.names import RESERVED_VERBS
from ticketgen.conformance.problem import Problem, problem, shown
from ticketgen.lazy import Lazy
from ticketgen.plugin import Plugin

__all__ = ["router_problems"]

_PARAMETER = re.compile(r"{[^}:]*(:[^}]*)?}")


def router_problems(plugin: Plugin) -> Iterator[Problem]:
    """What is wrong with `router` and `public_router`, each by itself and together."""
    addresses: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    for role in ("router", "public_router"):
        router = getattr(plugin, role)
        if router is None or isinstance(router, Lazy):
            continue
        if not isinstance(router, APIRouter):
            yield problem(f"{role} is no fastapi.APIRouter", "Give an APIRouter, or none.")
            continue
        yield from _machinery_problems(role, router)
        for context in _contexts(router):
            yield from _route_problems(role, context)
            if type(context.original_route) is APIRoute:
                addresses.update(_addresses(context))
                ids.update([context.operation_id] if context.operation_id else [])
    for address, count in addresses.items():
        if count > 1:
            yield problem(
                f"route {address} is there twice",
                "Declare each method and path once, in router or in public_router.",
            )
    for name, count in ids.items():
        if count > 1 or not re.fullmatch(rf"{re.escape(plugin.name)}_\w+", name):
            yield problem(
                f"operation id {name!r} is {'there twice' if count > 1 else 'none of the plugin'}",
                f"Let it begin with {plugin.name + '_'!r}, once, or leave it to the host.",
            )


def _contexts(router: APIRouter) -> Iterator[RouteContext]:
    """Every route, those of included routers with their prefix."""
    # Nothing else tells of what `APIRouter.frontend` serves; without the attribute it has none.
    hidden = getattr(router, "_low_priority_routes", ())
    return iter_route_contexts([*router.routes, *hidden])


def _machinery_problems(role: str, router: APIRouter) -> Iterator[Problem]:
    if type(router) is not APIRouter:
        yield problem(
            f"{role} is of the class {type(router).__name__}, no plain fastapi.APIRouter",
            "Use APIRouter itself: what another class does with a request nobody can check.",
        )
    if router.on_startup or router.on_shutdown or _has_lifespan(router.lifespan_context):
        yield problem(
            f"{role} has a lifespan of its own",
            "Give it as Plugin.lifespan: one of a router that raises would end the host.",
        )


def _has_lifespan(context: Any) -> bool:
    """Whether any lifespan but FastAPI's empty one is in it, or in what was merged into it."""
    if isinstance(context, type(APIRouter().lifespan_context)):
        return False
    plain = inspect.unwrap(context)
    if getattr(plain, "__module__", None) != APIRouter.__module__:
        return True
    merged = getattr(plain, "__closure__", None) or ()
    return not merged or any(_has_lifespan(cell.cell_contents) for cell in merged)


def _route_problems(role: str, context: RouteContext) -> Iterator[Problem]:
    route = context.original_route
    if not isinstance(route, APIRoute):
        yield problem(
            f"{shown(route)} is no plain HTTP route of the {role}",
            "Declare routes on the router: mounted apps and WebSockets of a plugin's own "
            "would escape the host's authentication. Progress has its channel already.",
        )
        return
    if type(route) is not APIRoute:
        yield problem(
            f"route {route.path} of the {role} is of the class {type(route).__name__}",
            "Remove route_class: a route class of a plugin's own could skip the host's "
            "authentication.",
        )
    yield from _path_problems(context.path or "")


def _path_problems(path: str) -> Iterator[Problem]:
    segments = path.split("/")
    if path and not path.startswith("/"):
        yield problem(
            f"route {path} does not begin with '/' and would leave the plugin's prefix",
            f"Write '/{path}'; it is relative to /api/{{name}}.",
        )
    if ".." in segments or "." in segments:
        yield problem(
            f"route {path} tries to leave the plugin's prefix", "Write paths without '..' and '.'."
        )
    if segments[:2] == ["", "api"]:
        yield problem(
            f"route {path} begins with /api",
            "Leave that out: paths are relative to /api/{name}, which the host puts before them.",
        )
    first = path.lstrip("/").split("/", 1)[0]
    if first in RESERVED_VERBS:
        yield problem(
            f"route {path} uses the reserved word {first!r}",
            f"Core mounts {', '.join(sorted(RESERVED_VERBS))} itself; use another word.",
        )


def _addresses(context: RouteContext) -> list[str]:
    """`METHOD /path` of a route, parameters without their names, which tell nothing apart."""
    path = _PARAMETER.sub(r"{\1}", context.path or "")
    return [f"{method} {path}" for method in sorted(context.methods or ())]
