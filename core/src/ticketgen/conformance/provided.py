"""Whether what a plugin provides is of known kinds, and which names it takes by that."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

from ticketgen.conformance.functions import is_async, takes
from ticketgen.conformance.names import RESERVED_NAMES
from ticketgen.conformance.problem import Problem, problem, shown
from ticketgen.conformance.shape import field_problems, lazy_problems
from ticketgen.lazy import Lazy
from ticketgen.plugin import Plugin
from ticketgen.provides import (
    AdfCheck,
    Column,
    Commands,
    CsvType,
    ExportTarget,
    HealthCheck,
    Metric,
    Rehearsal,
    SessionRetention,
    Shortcut,
    UploadInspector,
    Writer,
)

__all__ = ["KINDS", "claimed_names", "provided_problems"]


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a value of one kind has to hold."""

    fields: Mapping[str, Any] = field(default_factory=lambda: {"name": str})
    awaited: Mapping[str, int] = field(default_factory=dict)
    """Functions the host awaits, and with how many arguments."""
    called: Mapping[str, int] = field(default_factory=dict)
    """Functions it calls in a thread."""
    opened: Mapping[str, int] = field(default_factory=dict)
    """Functions that give an async context manager."""
    optional: frozenset[str] = frozenset()
    """Functions that may be left out."""
    is_global: bool = True
    """Whether no other plugin may have a value of the kind with that name."""


_NAMED = {"name": str, "summary": str}

KINDS: Mapping[type, _Kind] = {
    AdfCheck: _Kind(fields=_NAMED, called={"check": 1, "fix": 2}, optional=frozenset({"fix"})),
    Commands: _Kind(fields={}, is_global=False),
    CsvType: _Kind(
        fields={
            **dict.fromkeys(("name", "label", "entity_group", "title_column"), str),
            **dict.fromkeys(("file_stems", "columns", "kinds", "references"), tuple),
        }
    ),
    ExportTarget: _Kind(
        fields=_NAMED,
        awaited={
            "send": 2,
            "complete": 3,
            "find": 2,
            "consult": 1,
            "prepare": 2,
            "follow_up": 3,
            "send_many": 2,
            "newest": 1,
            "turn": 2,
        },
        opened={"open": 1},
        called={"time_of": 2, "many": 2},
        optional=frozenset(
            {
                *("find", "consult", "prepare", "open", "newest", "turn"),
                *("follow_up", "send_many", "time_of"),
            }
        ),
    ),
    HealthCheck: _Kind(awaited={"check": 1}, is_global=False),
    Metric: _Kind(fields={**_NAMED, "labels": tuple}, awaited={"read": 1}),
    Rehearsal: _Kind(fields={**_NAMED, "target": str}, opened={"open": 1}),
    SessionRetention: _Kind(fields=_NAMED, called={"period": 1}, is_global=False),
    Shortcut: _Kind(fields={"name": str, "command": str}),
    UploadInspector: _Kind(called={"inspect": 4}),
    Writer: _Kind(
        fields={**_NAMED, "paid": bool},
        opened={"open": 1},
        awaited={"check": 1},
        called={"estimate": 2},
        optional=frozenset({"check", "estimate"}),
    ),
}
"""Every kind of value that a plugin may provide."""

_KNOWN = ", ".join(sorted(kind.__name__ for kind in KINDS))

_WORD = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


def claimed_names(plugin: Plugin) -> Iterator[str]:
    """The names of a plugin that nobody else may have: of jobs, of tables, of its values."""
    yield from (f"job name {task.job_name!r}" for task in plugin.tasks)
    if plugin.migrations is not None:
        yield f"table {plugin.name + '_schema'!r}"
        yield from (f"table {name!r}" for name in sorted(plugin.migrations.metadata.tables))
    for value in plugin.provides:
        kind = _kind_of(value)
        if kind is not None and KINDS[kind].is_global:
            yield f"{kind.__name__} {_name_of(value)!r}"


def provided_problems(plugin: Plugin) -> Iterator[Problem]:
    """What is wrong with the values, each by itself and together."""
    names: Counter[str] = Counter()
    for value in plugin.provides:
        kind = _kind_of(value)
        if kind is None:
            yield _foreign(value)
            continue
        label = f"{kind.__name__} {_name_of(value)!r}" if kind is not Commands else "Commands"
        names[label] += 1
        wrong = list(_value_problems(plugin, kind, value, label))
        yield from wrong
    for label, count in names.items():
        if count > 1:
            remedy = "Put all commands into one." if label == "Commands" else "Name each once."
            yield problem(f"{label} is there twice", remedy)


def _kind_of(value: object) -> type | None:
    return next((kind for kind in KINDS if isinstance(value, kind)), None)


def _name_of(value: object) -> object:
    return getattr(value, "name", None)


def _foreign(value: object) -> Problem:
    if isinstance(value, type) and issubclass(value, tuple(KINDS)):
        return problem(
            f"provides has the class {value.__name__} where an instance belongs",
            f"Give a value of it: {value.__name__}(…).",
        )
    return problem(
        f"{shown(value)} in provides is of no kind that the host knows",
        f"Give values of ticketgen.provides: {_KNOWN}.",
    )


def _value_problems(plugin: Plugin, kind: type, value: Any, label: str) -> Iterator[Problem]:
    wrong = list(field_problems(value, label, KINDS[kind].fields))
    yield from wrong
    yield from _function_problems(kind, value, label)
    if isinstance(value, Commands):
        yield from _command_problems(value)
    if wrong:
        return
    if kind is not Commands and not value.name.strip():
        yield problem(f"a {kind.__name__} has no name", "Name it: people choose it by its name.")
    if isinstance(value, Metric):
        yield from _metric_problems(plugin, value)
    if isinstance(value, CsvType):
        yield from _column_problems(value)
    if isinstance(value, Shortcut):
        yield from _shortcut_problems(plugin, value)
    if isinstance(value, Shortcut | Rehearsal):
        yield from _word_problems(kind, value.name)


def _command_problems(value: Commands) -> Iterator[Problem]:
    if isinstance(value.app, Lazy):
        yield from lazy_problems(value.app, "app of Commands")
        return
    import typer  # not at the top: a worker has no use for it

    yield from field_problems(value, "Commands", {"app": typer.Typer})


def _function_problems(kind: type, value: Any, label: str) -> Iterator[Problem]:
    expected = KINDS[kind]
    for role, count in {**expected.opened, **expected.awaited, **expected.called}.items():
        function = getattr(value, role)
        if isinstance(function, NoneType) and role in expected.optional:
            continue
        if not callable(function) or inspect.isclass(function):
            yield problem(f"{role} of {label} is no function", "Give a function.")
        elif role in expected.awaited and not is_async(function):
            yield problem(f"{role} of {label} is no `async def` function", "Write it as one.")
        elif role in expected.opened and is_async(function):
            yield problem(
                f"{role} of {label} is `async def`; it has to give an async context manager",
                "Decorate it with `contextlib.asynccontextmanager`, and yield.",
            )
        elif role in expected.called and is_async(function):
            yield problem(
                f"{role} of {label} is `async def`; it is called in a thread",
                "Write it as a plain function.",
            )
        elif not takes(function, count):
            yield problem(
                f"{role} of {label} cannot be called with {count} arguments",
                f"See ticketgen.provides.{kind.__name__} for what it gets.",
            )


def _metric_problems(plugin: Plugin, metric: Metric) -> Iterator[Problem]:
    if not re.fullmatch(rf"{re.escape(plugin.name)}(_[a-z0-9_]+)?", metric.name):
        yield problem(
            f"Metric {metric.name!r} is outside the plugin's names",
            f"Call it {plugin.name!r}, or {plugin.name + '_something'!r} in lower case.",
        )
    named = [label for label in metric.labels if isinstance(label, str) and _LABEL.fullmatch(label)]
    if len(named) < len(metric.labels) or len(set(named)) < len(named):
        yield problem(
            f"Metric {metric.name!r} has labels that are none: {shown(metric.labels)}",
            "Give different names of letters, digits and underscores, not beginning with '__'.",
        )


def _column_problems(csv_type: CsvType) -> Iterator[Problem]:
    if not csv_type.columns or not all(isinstance(item, Column) for item in csv_type.columns):
        yield problem(
            f"columns of CsvType {csv_type.name!r} are no Column values",
            "List ticketgen.provides.Column values, one at least.",
        )


def _word_problems(kind: type, name: str) -> Iterator[Problem]:
    if not _WORD.fullmatch(name):
        yield problem(
            f"{kind.__name__} {name!r} is no word that can be typed",
            "Use lower-case letters, digits and single hyphens, beginning with a letter.",
        )


def _shortcut_problems(plugin: Plugin, shortcut: Shortcut) -> Iterator[Problem]:
    name = shortcut.name
    if {name, name.replace("-", "_")} & RESERVED_NAMES:
        yield problem(f"Shortcut {name!r} is reserved for the host", "Choose another name.")
    if name.replace("-", "_") == plugin.name:
        yield problem(
            f"Shortcut {name!r} is called like the plugin, whose commands are found by that name",
            "Choose another name, or leave it out.",
        )
    apps = [value.app for value in plugin.provides if isinstance(value, Commands)]
    if any(isinstance(app, Lazy) for app in apps):
        return
    if not any(shortcut.command in _commands_of(app) for app in apps):
        yield problem(
            f"Shortcut {name!r} leads to {shortcut.command!r}, which is no command of the plugin",
            "Name a command of the app in Commands.",
        )


def _commands_of(app: object) -> set[str]:
    """The words after the plugin's name; none of a value that is no typer app."""
    import typer

    if not isinstance(app, typer.Typer):
        return set()
    words = {info.name for info in app.registered_groups if info.name}
    for info in app.registered_commands:
        if info.name:
            words.add(info.name)
        elif info.callback is not None:
            words.add(info.callback.__name__.lower().replace("_", "-"))
    return words
