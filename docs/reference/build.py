"""Writes the reference pages beside it from the code, so that they cannot say anything else.

    python docs/reference/build.py            writes every page
    python docs/reference/build.py --check    writes nothing; ends with 1 if a page would change

Only the four plugins of this repository are described, whatever else is installed, and the
environment's settings are not read: the pages are the same on every machine.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from contract import (
    contract_page,
    domain_page,
    hooks_page,
    provides_page,
    routes_page,
    testing_page,
)
from fastapi import FastAPI
from fastapi.routing import APIWebSocketRoute
from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from sheets import sheets_page

from ticketgen.api.app import create_app
from ticketgen.api.routes.tasks import task_router
from ticketgen.errors import TicketgenError
from ticketgen.plugin import Caller, Hooks, Plugin, RetryPolicy, StageMoves, Subject, Task
from ticketgen.provides import CsvType
from ticketgen.registry import Registry, load_registry
from ticketgen.runtime import build_runtime
from ticketgen.settings import Settings

__all__ = ["main", "pages"]

HERE = Path(__file__).parent
PLUGINS = ("adf_validation", "cleanup", "export", "processing")
PACKAGES = ("ticketgen", *(f"ticketgen_{name}" for name in PLUGINS))

_GENERATED = "<!-- Written by docs/reference/build.py; change the code and run `make docs`. -->"
_NOT_TO_IMPORT = ("ticketgen.__main__", "ticketgen.migrations.", "ticketgen.testing.pytest_plugin")
_METHODS = ("get", "post", "put", "patch", "delete")

_COLUMNS = {int: "whole number", bool: "`true` or `false`", Path: "path", str: "text"}


def pages() -> dict[str, str]:
    """Every page by its file name."""
    settings = _settings()
    registry = load_registry(settings)
    app = create_app(build_runtime(settings, registry=registry))
    return {
        "settings.md": _settings_page(registry),
        "errors.md": _errors_page(),
        "tasks.md": _tasks_page(registry),
        "api.md": _api_page(app, registry),
        "contract.md": _described(contract_page()),
        "hooks.md": _described(hooks_page()),
        "provides.md": _described(provides_page()),
        "domain.md": _described(domain_page()),
        "routes.md": _described(routes_page()),
        "testing.md": _described(testing_page()),
        "sheets.md": _described(sheets_page(registry.provided(CsvType))),
    }


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that would change and answer 1."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python docs/reference/build.py [--check]\n")
        return 2
    stale = [
        name
        for name, text in pages().items()
        if not (path := HERE / name).exists() or path.read_text(encoding="utf-8") != text
    ]
    if arguments == ["--check"]:
        for name in stale:
            sys.stderr.write(f"docs/reference/{name} is out of date; run `make docs`\n")
        return 1 if stale else 0
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"changed: {', '.join(stale) or 'nothing'}\n")
    return 0


def _settings() -> Settings:
    """Defaults only: `model_construct` does not look at the environment."""
    return Settings.model_construct(
        database_url="postgresql://localhost/none",
        redis_url="redis://localhost",
        allowed_plugins=PLUGINS,
        required_plugins=PLUGINS,
        strict_plugins=True,
    )


def _described(page: tuple[str, str, list[str]]) -> str:
    title, lead, parts = page
    return _page(title, lead, *parts)


def _page(title: str, lead: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", _GENERATED, lead, *parts]) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _first_sentence(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _settings_page(registry: Registry) -> str:
    plugins = [
        f"## Plugin {plugin.name}\n\n{_first_sentence(plugin.settings)}\n\n"
        + _setting_table(plugin.settings, f"TICKETGEN_{plugin.name.upper()}_")
        for plugin in registry.active
        if plugin.settings is not None
    ]
    return _page(
        "Settings",
        "Every setting is an environment variable. A duration is a number of seconds or an ISO\n"
        "8601 duration (`1800`, `PT30M`), a list is separated by commas, a size is in bytes.\n"
        "Where a plain name is given it is read too; the `TICKETGEN_` name wins if both are set.\n"
        "A value that does not fit stops the command with the name of its variable.",
        "## Host",
        _setting_table(Settings, "TICKETGEN_"),
        *plugins,
    )


def _setting_table(model: type[BaseSettings], prefix: str) -> str:
    return _table(
        ("Variable", "Plain name", "Type", "Default", "What it does"),
        [
            (
                f"`{prefix}{name.upper()}`",
                _codes(_plain_names(field, prefix)),
                _kind(name, field),
                _default(name, field),
                field.description or "",
            )
            for name, field in model.model_fields.items()
        ],
    )


def _plain_names(field: FieldInfo, prefix: str) -> list[str]:
    alias = field.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else []
    return [str(name) for name in choices if not str(name).startswith(prefix)]


def _kind(name: str, field: FieldInfo) -> str:
    if name.endswith("_bytes"):
        return "bytes"
    if isinstance(field.default, timedelta):
        return "duration"
    if isinstance(field.default, tuple):
        return "list"
    return _COLUMNS.get(type(field.default), "path" if field.default_factory else "text")


def _default(name: str, field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None:
        return "the user's data folder"
    if value is None or value == ():
        return "unset"
    if isinstance(value, timedelta):
        return f"{_duration(value)}"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if name.endswith("_bytes"):
        return f"`{value}` ({value // 1024**2} MiB)"
    return f"`{value}`"


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0 and seconds != size:
            return f"`{seconds}` ({seconds // size} {unit})"
    return f"`{seconds}`"


def _errors_page() -> str:
    for module in _modules():
        importlib.import_module(module)
    classes = sorted(
        _subclasses(TicketgenError),
        key=lambda error: (error.code, error.__name__, error.__module__),
    )
    groups = {"Host": [e for e in classes if e.__module__.partition(".")[0] == "ticketgen"]} | {
        f"Plugin {name}": [e for e in classes if e.__module__.startswith(f"ticketgen_{name}.")]
        for name in PLUGINS
    }
    return _page(
        "Errors",
        "Every error answer is a problem document (`application/problem+json`, RFC 9457) with the\n"
        "members `type`, `title`, `status`, `detail`, `code`, `category`, `message`,\n"
        "`recovery_actions`, `error_id` and `findings`. The category says who can fix it. The\n"
        "status says it to HTTP; the two are independent of each other. Only errors of the\n"
        "category `temporary` are retried when a run meets them.",
        *(f"## {title}\n\n{_error_table(errors)}" for title, errors in groups.items() if errors),
    )


def _modules() -> Iterator[str]:
    for package in PACKAGES:
        paths = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(paths, f"{package}."):
            if not found.name.startswith(_NOT_TO_IMPORT):
                yield found.name


def _subclasses(error: type[TicketgenError]) -> set[type[TicketgenError]]:
    return {error}.union(*(_subclasses(child) for child in error.__subclasses__()))


def _error_table(errors: Iterable[type[TicketgenError]]) -> str:
    return _table(
        ("Code", "Status", "Category", "Class", "When"),
        [
            (f"`{e.code}`", str(e.status), f"`{e.category}`", e.__name__, _first_sentence(e))
            for e in errors
        ],
    )


def _tasks_page(registry: Registry) -> str:
    return _page(
        "Tasks, schedules and hooks",
        "What each plugin of this repository contributes; `ticketgen plugins` lists whatever is\n"
        "installed. A time limit or a number of tries in *italics* is the host's default.",
        *(_plugin_part(plugin) for plugin in registry.active),
        "## Hooks",
        _hook_table(registry),
    )


def _plugin_part(plugin: Plugin) -> str:
    parts = [f"## {plugin.name}", plugin.summary]
    parts += [_task_part(task) for task in plugin.tasks]
    if plugin.schedules:
        rows = [(f"`{s.name}`", f"`{s.task}`", f"`{s.cron}` {s.zone}") for s in plugin.schedules]
        parts.append("### Schedules\n\n" + _table(("Schedule", "Task", "Cron and zone"), rows))
    provided: dict[str, list[str]] = {}
    for value in plugin.provides:
        name = str(getattr(value, "name", f"ticketgen {plugin.name}"))
        provided.setdefault(type(value).__name__, []).append(name)
    if provided:
        lines = [f"* {kind}: {_codes(names)}" for kind, names in provided.items()]
        parts.append("### Provides\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _task_part(task: Task[Any, Any]) -> str:
    of_session = task.subject is Subject.SESSION
    where = "/{session_id}" if of_session else ""
    by = {Caller.OWNER: "the session's owner, administrators", Caller.ADMIN: "administrators"}
    started = f"`POST /api/{task.name}/start{where}`, by {by.get(task.startable_by, '')}"
    rows = [
        ("Job name", f"`{task.job_name}`"),
        ("Started by", "nobody" if task.startable_by is Caller.SCHEDULE else started),
        ("About", "a session" if of_session else "no session"),
        ("Exclusive per", f"`{task.exclusivity}`"),
        ("Conflict group", f"`{task.conflict_group}`" if task.conflict_group else "none"),
        ("Time limit", "*`job_timeout`*" if task.timeout is None else _duration(task.timeout)),
        ("Tries", _tries(task.retry)),
        ("Stages", _moves(task.stages) if task.stages else "moves nothing, asks for none"),
        ("Request", _fields(task.request)),
    ]
    return f"### Task {task.name}\n\n{task.summary}\n\n" + _table(("", ""), rows)


def _tries(policy: RetryPolicy) -> str:
    plain = str(policy.max_tries)
    return f"*{plain}*" if policy == RetryPolicy() else plain


def _moves(stages: StageMoves) -> str:
    moves = {
        "start": stages.on_start,
        "success": stages.on_success,
        "failure": stages.on_failure,
    }
    said = [f"on {moment} to `{stage}`" for moment, stage in moves.items() if stage]
    return f"allowed in {_codes(stages.allowed)}; " + (", ".join(said) or "moves nothing")


def _fields(model: type[BaseModel]) -> str:
    said = [
        f"`{name}`{'' if field.is_required() else f' (default `{field.default!r}`)'}: "
        f"{field.description or ''}"
        for name, field in model.model_fields.items()
    ]
    return " ".join(said) or "nothing"


def _hook_table(registry: Registry) -> str:
    hooks: dict[str, Callable[..., Any]] = {
        name: hook for name, hook in vars(Hooks).items() if name.startswith("ticketgen_")
    }
    return _table(
        ("Hook", "Arguments", "Promise", "Implemented by"),
        [
            (
                f"`{name}`",
                _codes(list(inspect.signature(hook).parameters)[1:]),
                " ".join((inspect.getdoc(hook) or "").split()),
                _codes(registry.hooks.implementers(name)),
            )
            for name, hook in hooks.items()
        ],
    )


def _api_page(app: FastAPI, registry: Registry) -> str:
    groups: dict[str, list[tuple[str, ...]]] = {}
    for path, operations in app.openapi()["paths"].items():
        for method in _METHODS:
            if method in operations:
                row = _operation_row(method, path, operations[method])
                groups.setdefault(operations[method]["tags"][0], []).append(row)
    routers = [task_router(registry), *(p.router for p in registry.active if p.router is not None)]
    routes = [route for router in routers for route in router.routes]
    streams = sorted(r.path for r in routes if isinstance(r, APIWebSocketRoute))
    return _page(
        "API",
        "Every address, in the order of its group. All but `GET /health/live` need a token:\n"
        "`Authorization: Bearer <token>`. `GET /api/openapi.json` describes requests and answers\n"
        "in full. The last column has the problem documents; `401`, `422`, `500` and `503`\n"
        "belong to every address with a token and are left out.",
        *(
            f"## {group}\n\n"
            + _table(("Method", "Address", "What it does", "Answers", "Problems"), rows)
            for group, rows in sorted(groups.items())
        ),
        "## Streams",
        "A WebSocket takes the token as a header, or a stream pass as `?pass=`. A foreign session\n"
        "closes it with 4403, an unknown one with 4404; the end of the run closes it with 1000.",
        _table(("Address",), [(f"`WS {path}`",) for path in streams]),
    )


def _operation_row(method: str, path: str, operation: dict[str, Any]) -> tuple[str, ...]:
    statuses = sorted(operation["responses"])
    return (
        f"`{method.upper()}`",
        f"`{path}`",
        (operation.get("description") or operation["summary"]).partition("\n\n")[0]
        if not operation["summary"].startswith(("Start:", "Status:"))
        else operation["summary"],
        ", ".join(status for status in statuses if status < "400"),
        ", ".join(s for s in statuses if s >= "400" and s not in {"401", "422", "500", "503"}),
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
