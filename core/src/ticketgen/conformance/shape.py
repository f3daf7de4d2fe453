"""Whether the fields of a `Plugin` are of their types, before anything looks into them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic_settings import BaseSettings

from ticketgen.conformance.functions import takes
from ticketgen.conformance.problem import Problem, problem, shown
from ticketgen.errors import TicketgenError
from ticketgen.lazy import Lazy
from ticketgen.plugin import CONTRACT_VERSION, Migrations, Plugin, Schedule, Task

__all__ = [
    "class_problems",
    "contract_problems",
    "field_problems",
    "lazy_problems",
    "shape_problems",
]

_PARTS: Mapping[str, type] = {
    "tasks": Task,
    "schedules": Schedule,
    "provides": object,
    "errors": object,
}
"""The fields of a `Plugin` that hold several values, and what each of these must be."""

_TEXTS = ("name", "summary", "requires")

_LIFESPAN = "Write an `async def` with one `yield` and @asynccontextmanager, taking the Host."


def field_problems(value: object, owner: str, fields: Mapping[str, Any]) -> Iterator[Problem]:
    """Every field that is of another type than it has to be; `owner` names the value."""
    for field, kind in fields.items():
        found = getattr(value, field)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if isinstance(found, kinds) and not (isinstance(found, bool) and bool not in kinds):
            continue
        names = " or ".join("None" if one is type(None) else one.__name__ for one in kinds)
        yield problem(
            f"{field} of {owner} is {type(found).__name__}, not {names}", f"Give a {names}."
        )


def contract_problems(plugin: Plugin) -> Iterator[Problem]:
    """Whether it works with this version of the contract."""
    if not isinstance(plugin.requires, str):
        return
    try:
        wanted = SpecifierSet(plugin.requires)
    except InvalidSpecifier:
        yield problem(
            f"requires={plugin.requires!r} is no version specifier", "Write it like '>=1.0,<2'."
        )
        return
    if not wanted.contains(CONTRACT_VERSION):
        yield problem(
            f"it works with contract {plugin.requires}; this host has {CONTRACT_VERSION}",
            "Install a version of the plugin for this host, or another version of the host.",
            phase="contract",
        )


def shape_problems(plugin: Plugin) -> Iterator[Problem]:
    """What keeps the other checks from looking at the value at all."""
    yield from field_problems(plugin, "the plugin", dict.fromkeys(_TEXTS, str))
    for role, kind in _PARTS.items():
        values = getattr(plugin, role)
        if not isinstance(values, tuple):
            yield problem(f"{role} is {type(values).__name__}, not a tuple", "Give a tuple.")
            continue
        for value in values:
            if not isinstance(value, kind):
                yield problem(
                    f"{shown(value)} in {role} is no {kind.__name__}",
                    f"List ticketgen.{kind.__name__} values.",
                )


def class_problems(plugin: Plugin) -> Iterator[Problem]:
    """Whether what the host calls or builds can be called and built."""
    if plugin.settings is not None and not (
        isinstance(plugin.settings, type) and issubclass(plugin.settings, BaseSettings)
    ):
        yield problem("settings is no BaseSettings class", "Give the class, not an instance.")
    if plugin.service is not None and not callable(plugin.service):
        yield problem("service cannot be called", "Give a class that takes a Starter.")
    for role in ("router", "public_router"):
        yield from lazy_problems(getattr(plugin, role), role)
    if plugin.migrations is not None and not isinstance(plugin.migrations, Migrations):
        yield problem("migrations is no Migrations value", "Give a ticketgen.Migrations, or none.")
    if plugin.lifespan is not None:
        yield from _lifespan_problems(plugin.lifespan)
    yield from _error_problems(plugin)


def lazy_problems(value: object, owner: str) -> Iterator[Problem]:
    """Whether what is given by `Lazy` can be looked for; `owner` names the value."""
    if isinstance(value, Lazy) and not value.is_readable:
        yield problem(
            f"{owner} is {shown(value)}, which names nothing",
            "Write Lazy('package.module:name').",
        )


def _lifespan_problems(lifespan: Callable[..., Any]) -> Iterator[Problem]:
    plain = inspect.unwrap(lifespan) if callable(lifespan) else lifespan
    if not callable(lifespan):
        yield problem("lifespan cannot be called", _LIFESPAN)
    elif inspect.iscoroutinefunction(lifespan) or inspect.isasyncgenfunction(lifespan):
        yield problem("lifespan is an `async def` without @asynccontextmanager", _LIFESPAN)
    elif inspect.isgeneratorfunction(plain):
        yield problem("lifespan is no async context manager: it yields from a `def`", _LIFESPAN)
    elif isinstance(lifespan, type) and not hasattr(lifespan, "__aenter__"):
        yield problem(f"{lifespan.__name__}, the lifespan, has no __aenter__", _LIFESPAN)
    elif not takes(lifespan, 1):
        yield problem("lifespan cannot be called with one argument", _LIFESPAN)


def _error_problems(plugin: Plugin) -> Iterator[Problem]:
    for error in plugin.errors:
        if not (isinstance(error, type) and issubclass(error, TicketgenError)):
            yield problem(
                f"{shown(error)} in errors is no TicketgenError class", "List such classes."
            )
        elif not isinstance(error.code, str) or not error.code.startswith(f"{plugin.name}."):
            yield problem(
                f"the code {error.code!r} of {error.__name__} is outside the plugin's names",
                f"Begin it with {plugin.name + '.'!r}.",
            )
