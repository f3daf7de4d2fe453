"""Whether a plugin keeps the contract: every problem at once, each with its remedy."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from croniter import croniter
from fastapi import APIRouter
from fastapi.routing import APIRoute
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from ticketgen.cron_times import is_zone, next_fire_times
from ticketgen.errors import TicketgenError
from ticketgen.plugin import (
    CONTRACT_VERSION,
    Caller,
    Exclusivity,
    Misfire,
    Overlap,
    Plugin,
    Schedule,
    Subject,
    Task,
)

__all__ = ["RESERVED_NAMES", "RESERVED_VERBS", "Problem", "check_identity", "check_plugin"]

RESERVED_NAMES = frozenset(
    {
        "api", "audit", "auth", "core", "docs", "events", "health", "host", "openapi", "plugins",
        "runs", "schedules", "sessions", "stream-passes", "tasks", "ticketgen", "tickets",
        "tokens", "uploads", "users", "validations", "workers",
    }
)  # fmt: skip
"""First segments under `/api` that are core's own."""

RESERVED_VERBS = frozenset({"start", "status", "cancel", "retry", "progress", "events"})
"""First segments under `/api/{task type}` that core mounts for every task."""

_PARTS: Mapping[str, type] = {
    "tasks": Task,
    "schedules": Schedule,
    "provides": object,
    "errors": object,
}
"""The fields of a `Plugin` that hold several values, and what each of these must be."""

_SCHEDULE_FIELDS: Mapping[str, type] = {
    "name": str,
    "task": str,
    "cron": str,
    "summary": str,
    "zone": str,
    "overlap": Overlap,
    "misfire": Misfire,
    "misfire_grace": timedelta,
}

_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""An expression that matches no date after it matches none at all."""

_NAME = re.compile(r"[a-z][a-z0-9_]{1,48}")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a plugin, where it showed, and what to do."""

    phase: str
    """When the host loads: `find`, `import`, `hooks`, `register`, `contract`, `check`, `settings`,
    `combine`. When a process starts: `schema`, `start`. While it runs: `hook`."""
    message: str
    remedy: str
    traceback: str | None = None


def _problem(message: str, remedy: str, *, phase: str = "check") -> Problem:
    return Problem(phase=phase, message=message, remedy=remedy)


def check_identity(name: str) -> list[Problem]:
    """Whether a plugin may have that name."""
    if not _NAME.fullmatch(name):
        return [
            _problem(
                f"{name!r} is no valid plugin name",
                "Use lower-case letters, digits and underscores, beginning with a letter.",
                phase="find",
            )
        ]
    if name in RESERVED_NAMES:
        return [
            _problem(f"{name!r} is reserved for the host", "Choose another name.", phase="find")
        ]
    return []


def check_plugin(plugin: object, *, name: str) -> list[Problem]:
    """Everything that is wrong with the value a plugin returned; empty if it may be used."""
    if not isinstance(plugin, Plugin):
        return [
            _problem(
                f"ticketgen_plugin returned {type(plugin).__name__}, not a Plugin",
                "Return one ticketgen.Plugin value.",
            )
        ]
    unusable = [*_contract_problems(plugin), *_shape_problems(plugin)]
    if unusable:
        return unusable
    return [
        *_name_problems(plugin, name),
        *_task_problems(plugin),
        *_all_schedule_problems(plugin),
        *_router_problems(plugin),
        *_class_problems(plugin),
    ]


def _contract_problems(plugin: Plugin) -> Iterator[Problem]:
    try:
        wanted = SpecifierSet(plugin.requires)
    except InvalidSpecifier:
        yield _problem(
            f"requires={plugin.requires!r} is no version specifier", "Write it like '>=1.0,<2'."
        )
        return
    if not wanted.contains(CONTRACT_VERSION):
        yield _problem(
            f"it works with contract {plugin.requires}; this host has {CONTRACT_VERSION}",
            "Install a version of the plugin for this host, or another version of the host.",
            phase="contract",
        )


def _shape_problems(plugin: Plugin) -> Iterator[Problem]:
    for role, kind in _PARTS.items():
        values = getattr(plugin, role)
        if not isinstance(values, tuple):
            yield _problem(f"{role} is {type(values).__name__}, not a tuple", "Give a tuple.")
            continue
        for value in values:
            if not isinstance(value, kind):
                yield _problem(
                    f"{value!r} in {role} is no {kind.__name__}",
                    f"List ticketgen.{kind.__name__} values.",
                )


def _name_problems(plugin: Plugin, name: str) -> Iterator[Problem]:
    if plugin.name != name:
        yield _problem(
            f"it calls itself {plugin.name!r}, its entry point {name!r}",
            "Give both the same name.",
        )


def _task_problems(plugin: Plugin) -> Iterator[Problem]:
    for name in _repeated(task.name for task in plugin.tasks):
        yield _problem(f"task type {name!r} is there twice", "Name each type once.")
    for name in _repeated(task.job_name for task in plugin.tasks):
        yield _problem(f"job name {name!r} is there twice", "Give each task its own.")
    for task in plugin.tasks:
        if task.name != plugin.name and not re.fullmatch(
            re.escape(plugin.name) + r"\.[a-z][a-z0-9_]*", task.name
        ):
            yield _problem(
                f"task type {task.name!r} is outside the plugin's names",
                f"Call it {plugin.name!r} or {plugin.name + '.something'!r}.",
            )
        yield from _function_problems(task.name, "prepare", task.prepare)
        yield from _function_problems(task.name, "handler", task.handler)
        yield from _model_problems(task.name, "request", task.request)
        yield from _model_problems(task.name, "payload", task.payload)
        if task.subject is Subject.NONE and task.stages is not None:
            yield _problem(
                f"task {task.name!r} moves stages but has no session",
                "Remove stages, or make the session its subject.",
            )
        if task.subject is Subject.NONE and task.exclusivity is Exclusivity.SUBJECT:
            yield _problem(
                f"task {task.name!r} has no session, so there cannot be one run per session",
                "Give it Exclusivity.TYPE or Exclusivity.NONE.",
            )
        if task.subject is Subject.NONE and task.startable_by is Caller.OWNER:
            yield _problem(
                f"task {task.name!r} has no session, so nobody owns it",
                "Give it Caller.ADMIN or Caller.SCHEDULE.",
            )


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _function_problems(task: str, role: str, function: Callable[..., Any]) -> Iterator[Problem]:
    if not inspect.iscoroutinefunction(function):
        yield _problem(f"{role} of {task!r} is no `async def` function", "Write it as one.")
        return
    try:
        inspect.signature(function).bind(object(), object())
    except TypeError:
        yield _problem(
            f"{role} of {task!r} cannot be called with two arguments",
            f"Give it the context and the {'request' if role == 'prepare' else 'payload'}.",
        )


def _model_problems(task: str, role: str, model: object) -> Iterator[Problem]:
    remedy = "Use a pydantic model whose fields JSON can hold."
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        yield _problem(f"{role} of {task!r} is no pydantic model class", remedy)
        return
    try:
        model.model_json_schema()
    except Exception as error:
        yield _problem(f"{role} of {task!r} has no JSON schema: {error}", remedy)


def _all_schedule_problems(plugin: Plugin) -> Iterator[Problem]:
    readable: list[Schedule] = []
    for schedule in plugin.schedules:
        wrong = list(_type_problems(schedule))
        yield from wrong
        readable += [] if wrong else [schedule]
    for name in _repeated(schedule.name for schedule in readable):
        yield _problem(f"schedule {name!r} is there twice", "Name each schedule once.")
    for schedule in readable:
        yield from _start_problems(plugin, schedule)
        yield from _time_problems(schedule)


def _type_problems(schedule: Schedule) -> Iterator[Problem]:
    for field, kind in _SCHEDULE_FIELDS.items():
        value = getattr(schedule, field)
        if not isinstance(value, kind):
            yield _problem(
                f"{field} of schedule {schedule.name!r} is {type(value).__name__}, "
                f"not {kind.__name__}",
                f"Give a {kind.__name__}.",
            )


def _start_problems(plugin: Plugin, schedule: Schedule) -> Iterator[Problem]:
    if not _NAME.fullmatch(schedule.name):
        yield _problem(
            f"{schedule.name!r} is no valid name of a schedule",
            "Use lower-case letters, digits and underscores, beginning with a letter.",
        )
    task = {task.name: task for task in plugin.tasks}.get(schedule.task)
    if task is None:
        yield _problem(
            f"schedule {schedule.name!r} starts {schedule.task!r}, no task of this plugin",
            "Schedule tasks of the same plugin only.",
        )
        return
    if task.subject is not Subject.NONE:
        yield _problem(
            f"schedule {schedule.name!r} starts {schedule.task!r}, which needs a session",
            "Give the task Subject.NONE.",
        )
    elif _needs_telling(task.request):
        yield _problem(
            f"schedule {schedule.name!r} starts {schedule.task!r}, whose request has no defaults",
            "Give every field of the request a default.",
        )
    if schedule.overlap is Overlap.ALLOW and task.exclusivity is not Exclusivity.NONE:
        yield _problem(
            f"schedule {schedule.name!r} lets runs of {schedule.task!r} overlap, of which only "
            "one may be active",
            "Give the task Exclusivity.NONE, or the schedule Overlap.SKIP or Overlap.WAIT.",
        )


def _time_problems(schedule: Schedule) -> Iterator[Problem]:
    cron = schedule.cron
    # croniter reads a lone R as a time of its own choice, another at each look.
    choosing = re.search(r"\b[hr]\b", cron, re.IGNORECASE)
    if len(cron.split()) != 5 or len(cron) > 200 or choosing or not croniter.is_valid(cron):
        yield _problem(
            f"schedule {schedule.name!r} has no valid cron expression: {cron!r}",
            "Write minute, hour, day of month, month, day of week, like '30 8 * * *'.",
        )
    elif not next_fire_times(cron, "UTC", after=_ANY_DAY, count=1):
        yield _problem(
            f"schedule {schedule.name!r} never fires: no date matches {cron!r}",
            "Choose a day that the month has.",
        )
    if not is_zone(schedule.zone):
        yield _problem(
            f"schedule {schedule.name!r} names no zone of the IANA database: {schedule.zone!r}",
            "Write a zone like 'Europe/Berlin', or 'UTC'.",
        )
    if schedule.misfire_grace < timedelta(0):
        yield _problem(
            f"misfire_grace of schedule {schedule.name!r} is negative",
            "Give a duration of zero or more.",
        )


def _needs_telling(request: object) -> bool:
    fields = getattr(request, "model_fields", {})
    return any(field.is_required() for field in fields.values())


def _router_problems(plugin: Plugin) -> Iterator[Problem]:
    if plugin.router is None:
        return
    if not isinstance(plugin.router, APIRouter):
        yield _problem("router is no fastapi.APIRouter", "Give an APIRouter, or none.")
        return
    starts = plugin.router.on_startup or plugin.router.on_shutdown
    if starts or type(plugin.router.lifespan_context) is not type(APIRouter().lifespan_context):
        yield _problem(
            "router has a lifespan of its own",
            "Remove it: one that raises would end the host.",
        )
    for route in plugin.router.routes:
        if not isinstance(route, APIRoute):
            yield _problem(
                f"{route!r} is no plain HTTP route of the router",
                "Declare routes on the router: mounted apps and WebSockets of a plugin's own "
                "would escape the host's authentication. Progress has its channel already.",
            )
            continue
        first = route.path.lstrip("/").split("/", 1)[0]
        if first in RESERVED_VERBS:
            yield _problem(
                f"route {route.path} uses the reserved word {first!r}",
                f"Core mounts {', '.join(sorted(RESERVED_VERBS))} itself; use another word.",
            )


def _class_problems(plugin: Plugin) -> Iterator[Problem]:
    if plugin.settings is not None and not (
        isinstance(plugin.settings, type) and issubclass(plugin.settings, BaseSettings)
    ):
        yield _problem("settings is no BaseSettings class", "Give the class, not an instance.")
    if plugin.service is not None and not callable(plugin.service):
        yield _problem("service cannot be called", "Give a class that takes a Starter.")
    for error in plugin.errors:
        if not (isinstance(error, type) and issubclass(error, TicketgenError)):
            yield _problem(f"{error!r} in errors is no TicketgenError class", "List such classes.")
        elif not error.code.startswith(f"{plugin.name}."):
            yield _problem(
                f"the code {error.code!r} of {error.__name__} is outside the plugin's names",
                f"Begin it with {plugin.name + '.'!r}.",
            )
