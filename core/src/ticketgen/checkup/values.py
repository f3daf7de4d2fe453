"""What a plugin's value leaves unsaid: to listings, to the API's description, to operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.datastructures import DefaultPlaceholder
from fastapi.routing import APIRoute

from ticketgen.checkup.flaws import Flaw, advice, fault
from ticketgen.checkup.functions import function_flaws
from ticketgen.checkup.models import model_flaws
from ticketgen.plugin import Plugin, Task

__all__ = ["value_flaws"]


def value_flaws(plugin: Plugin) -> list[Flaw]:
    """What is missing or misleading in a value that the host would take."""
    return [
        *_summary_flaws(plugin),
        *(flaw for task in plugin.tasks for flaw in _task_flaws(task)),
        *_setting_flaws(plugin),
        *_error_flaws(plugin),
        *_route_flaws(plugin),
    ]


def _summary_flaws(plugin: Plugin) -> Iterator[Flaw]:
    remedy = "Say in one sentence what it does; listings show it."
    named = [("Plugin", plugin.summary)]
    named += [(f"task {task.name!r}", task.summary) for task in plugin.tasks]
    for where, summary in named:
        if not summary.strip():
            yield fault(where, "it has no summary", remedy)
    for schedule in plugin.schedules:
        if not schedule.summary.strip():
            yield advice(f"schedule {schedule.name!r}", "it has no summary", remedy)


def _task_flaws(task: Task[Any, Any]) -> Iterator[Flaw]:
    if "schema_version" not in task.payload.model_fields:
        yield fault(
            f"task {task.name!r}",
            f"its payload {task.payload.__name__} has no schema_version",
            "Add `schema_version: int = 1`: runs outlive an upgrade, and the new version has to "
            "know what an old one stored.",
        )
    yield from model_flaws(f"task {task.name!r}", "request", task.request)
    yield from model_flaws(f"task {task.name!r}", "payload", task.payload)
    yield from function_flaws(f"task {task.name!r}", "prepare", task.prepare, task.request)
    yield from function_flaws(f"task {task.name!r}", "handler", task.handler, task.payload)


def _setting_flaws(plugin: Plugin) -> Iterator[Flaw]:
    fields = plugin.settings.model_fields if plugin.settings else {}
    for name, field in fields.items():
        if not field.description:
            yield advice(
                f"settings field {name!r}",
                "it has no description",
                "Give it one, `Field(description=…)`: operators read nothing else.",
            )


def _error_flaws(plugin: Plugin) -> Iterator[Flaw]:
    for error in plugin.errors:
        if not (vars(error).get("__doc__") or "").strip():
            yield advice(
                f"error {error.__name__}",
                "it has no docstring",
                "Say in one sentence what has happened; the reference of errors shows it.",
            )


def _route_flaws(plugin: Plugin) -> Iterator[Flaw]:
    for router in (plugin.router, plugin.public_router):
        for route in router.routes if isinstance(router, APIRouter) else ():
            if isinstance(route, APIRoute):
                yield from _of_route(route)


def _of_route(route: APIRoute) -> Iterator[Flaw]:
    where = f"route {'/'.join(sorted(route.methods or ()))} {route.path}"
    if not (route.description or route.endpoint.__doc__):
        yield advice(
            where,
            "it has no docstring",
            "Say in one sentence what it does; the description of the API shows it.",
        )
    has_answer = route.response_model is not None or route.status_code == 204
    if not has_answer and isinstance(route.response_class, DefaultPlaceholder):
        yield advice(
            where,
            "nothing says what it answers",
            "Annotate what it returns, or give it a response_model.",
        )
