"""Describes what a plugin is written against: its classes, field by field, from the source itself.

A class says what it promises in its docstring, a field in the text below it, a method in its own.
All of it is put on the pages; nothing is written twice.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import timedelta
from enum import StrEnum
from types import FunctionType
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from sqlalchemy.orm import DeclarativeBase

import ticketgen
from ticketgen import commands, domain, provides, tables, testing
from ticketgen.api import deps
from ticketgen.plugin import CONTRACT_VERSION, Hooks

__all__ = [
    "contract_page",
    "domain_page",
    "hooks_page",
    "provides_page",
    "routes_page",
    "testing_page",
]

_PARTS: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    (
        "What a plugin contributes",
        "Values, checked once when the host starts.",
        (
            ticketgen.Plugin,
            ticketgen.Task,
            ticketgen.RetryPolicy,
            ticketgen.StageMoves,
            ticketgen.Schedule,
            ticketgen.Migrations,
            ticketgen.NoRequest,
        ),
    ),
    (
        "What its functions get",
        "The host builds these and hands them over.",
        (
            ticketgen.StartContext,
            ticketgen.TaskContext,
            ticketgen.BlockingContext,
            ticketgen.RunIdentity,
            ticketgen.Starter,
            ticketgen.StartedRun,
            ticketgen.Host,
            ticketgen.Contributions,
            ticketgen.SettledRun,
        ),
    ),
    (
        "What they answer",
        "Values that checks and gates return.",
        (ticketgen.Finding, ticketgen.Severity, ticketgen.Blocker),
    ),
    (
        "Words",
        "The values that a field may have.",
        (
            ticketgen.Subject,
            ticketgen.Caller,
            ticketgen.Exclusivity,
            ticketgen.Overlap,
            ticketgen.Misfire,
            ticketgen.Role,
        ),
    ),
)


_MACHINERY = frozenset(
    {
        "backlog",
        "redelivery",
        "run_access",
        "run_attempts",
        "schedules",
        "transitions",
        "workers",
    }
)
"""Modules of `ticketgen.domain` that are no nouns: plugins may not import them."""


@dataclass(frozen=True, kw_only=True)
class _Field:
    name: str
    type: str
    default: str
    text: str


def contract_page() -> tuple[str, str, list[str]]:
    """Title, lead and parts of the page on `ticketgen` itself."""
    parts: list[str] = []
    for title, lead, classes in _PARTS:
        parts += [f"## {title}", lead, *(_class_part(kind) for kind in classes)]
    parts += ["## Functions", _function_part("in_thread", ticketgen.in_thread)]
    for module in (tables, commands):
        parts += [f"## {module.__name__}", _paragraphs(module), *_own_parts(module)]
    lead = (
        f"Contract version **{CONTRACT_VERSION}**. Everything here is imported from `ticketgen`,\n"
        "and keeps the [promise of stability](../stability.md)."
    )
    return "The contract", lead, parts


def hooks_page() -> tuple[str, str, list[str]]:
    """The same for the hooks, each with its signature and promise."""
    hooks = [(name, hook) for name, hook in vars(Hooks).items() if name.startswith("ticketgen_")]
    lead = (
        f"{_paragraphs(Hooks)}\n\n"
        "A function marked with `ticketgen.hookimpl` in the plugin's module implements the hook\n"
        "of its name. It takes those of the arguments that it wants. An unknown name, an unknown\n"
        "argument or a plain function where a coroutine is due is refused when the host starts."
    )
    return "Hooks", lead, [_function_part(name, hook) for name, hook in hooks]


def provides_page() -> tuple[str, str, list[str]]:
    """The same for the values of `Plugin.provides` and what they work with."""
    lead = (
        "A plugin lists values of these kinds in `Plugin.provides`. The plugins of this\n"
        "repository use the same. Import them from `ticketgen.provides`."
    )
    return "Provided values", lead, _module_parts(provides)


def testing_page() -> tuple[str, str, list[str]]:
    """The same for the test kit."""
    return "The test kit", _paragraphs(testing), _module_parts(testing)


def domain_page() -> tuple[str, str, list[str]]:
    """The same for the shared nouns: every table, and every query on it."""
    parts: list[str] = []
    for found in pkgutil.iter_modules(domain.__path__, "ticketgen.domain."):
        if found.name.rpartition(".")[2] in _MACHINERY:
            continue
        module = importlib.import_module(found.name)
        parts += [f"## {found.name}", _paragraphs(module), *_module_parts(module)]
    lead = (
        "What all plugins share: tables, and every query on them. A function that takes `db`\n"
        "works in the caller's transaction and never commits."
    )
    return "Shared nouns", lead, parts


def routes_page() -> tuple[str, str, list[str]]:
    """The same for what a plugin's routes depend on."""
    names = [name for name in deps.__all__ if not inspect.isclass(getattr(deps, name))]
    texts = {name: text for name, text in _assigned(deps) if name in names}
    rows = [f"| `{name}` | {_escaped(texts.get(name, ''))} |" for name in names if name in texts]
    functions = [
        _function_part(name, thing)
        for name in names
        if isinstance(thing := getattr(deps, name), FunctionType)
    ]
    parts = ["\n".join(("| Dependency | |", "|---|---|", *rows)), "## Functions", *functions]
    return "What routes depend on", _paragraphs(deps), parts


def _assigned(module: Any) -> Iterator[tuple[str, str]]:
    """The names a module assigns, with the text below each."""
    body = ast.parse(inspect.getsource(module)).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            said = after.value if isinstance(after, ast.Expr) else None
            text = str(said.value) if isinstance(said, ast.Constant) else ""
            yield node.targets[0].id, " ".join(text.split())


def _own_parts(module: Any) -> list[str]:
    """What a module lists and writes itself; what it passes on is described elsewhere."""
    own = [n for n in module.__all__ if getattr(module, n).__module__ == module.__name__]
    return _module_parts(module, own)


def _module_parts(module: Any, names: Iterable[str] = ()) -> list[str]:
    parts = []
    for name in names or module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing):
            parts.append(_class_part(thing))
        elif callable(thing):
            parts.append(_function_part(name, thing))
    return parts


def _class_part(kind: type) -> str:
    parts = [f"### {kind.__name__}", _paragraphs(kind)]
    described = list(_fields(kind))
    if described:
        head = ("| Field | Type | Default | |", "|---|---|---|---|")
        rows = (
            f"| `{f.name}` | {_cell(f.type)} | {_cell(f.default)} | {_escaped(f.text)} |"
            for f in described
        )
        parts.append("\n".join((*head, *rows)))
    parts += [_method_part(name, method) for name, method in _methods(kind)]
    return "\n\n".join(parts)


def _cell(code: str) -> str:
    return _escaped(f"`{code}`") if code else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _paragraphs(thing: object) -> str:
    return _linked(inspect.getdoc(thing) or "")


def _linked(text: str) -> str:
    """A docstring as Markdown: what is raised as a list, an indented example as a block."""
    text = re.sub(r"::\n", ":\n", text)  # an indented example is a block in Markdown too
    head, _, raised = text.partition("Raises:\n")
    if not raised:
        return head.strip()
    said = re.sub(r"\n(?!\w+(?:, \w+)*: )\s*", " ", textwrap.dedent(raised).strip())
    items = [f"* {line.strip()}" for line in said.splitlines() if line.strip()]
    return "\n".join([head.strip(), "", "Raises:", "", *items]).strip()


def _fields(kind: type) -> Iterator[_Field]:
    """The declared fields of a dataclass, model, table or enum, with the text below each."""
    if not (is_dataclass(kind) or issubclass(kind, BaseModel | StrEnum | DeclarativeBase)):
        return
    for node, text in _declarations(kind):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, type_ = node.target.id, ast.unparse(node.annotation)
            type_ = re.sub(r"^Mapped\[(.*)\]$", r"\1", type_)
            default = _default(kind, name)
            yield _Field(
                name=name, type=type_, default=default, text=text or _description(kind, name)
            )
        elif issubclass(kind, StrEnum) and isinstance(node, ast.Assign):
            [name] = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield _Field(name=name, type=repr(kind[name].value), default="", text=text)


def _declarations(kind: type) -> Iterator[tuple[ast.stmt, str]]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0].body  # type: ignore[attr-defined]
    for node, after in zip(body, [*body[1:], None], strict=True):
        name = getattr(getattr(node, "target", None), "id", "")
        if name == "model_config" or name.startswith("_"):
            continue
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = " ".join(str(after.value.value).split())
        yield node, text


def _description(kind: type, name: str) -> str:
    return (kind.model_fields[name].description or "") if issubclass(kind, BaseModel) else ""


def _default(kind: type, name: str) -> str:
    if issubclass(kind, DeclarativeBase):
        return ""
    if issubclass(kind, BaseModel):
        field = kind.model_fields[name]
        if field.is_required():
            return "required"
        return _value(field.default) if field.default is not PydanticUndefined else "made anew"
    [field] = [field for field in fields(kind) if field.name == name]  # type: ignore[assignment,arg-type]
    if field.default_factory is not MISSING:  # type: ignore[attr-defined]
        return "made anew"
    return "required" if field.default is MISSING else _value(field.default)


def _value(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, StrEnum):
        return f"{type(value).__name__}.{value.name}"
    return value.__name__ if isinstance(value, FunctionType) else repr(value)


def _methods(kind: type) -> Iterator[tuple[str, Any]]:
    if issubclass(kind, BaseModel) and not any(
        isinstance(m, FunctionType) and not n.startswith("_") for n, m in vars(kind).items()
    ):
        return
    for name, member in vars(kind).items():
        plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        function = plain.fget if isinstance(plain, property) else plain
        function = getattr(function, "__wrapped__", function)
        if not name.startswith("_") and isinstance(function, FunctionType) and function.__doc__:
            yield name, plain


def _method_part(name: str, member: Any) -> str:
    if isinstance(member, property):
        return f"#### {name}\n\n{_paragraphs(member)}"
    return _function_part(name, member, level="####")


def _function_part(name: str, function: Any, *, level: str = "###") -> str:
    signature = inspect.signature(function)
    shown = signature.replace(
        parameters=[p for p in signature.parameters.values() if p.name not in {"self", "cls"}]
    )
    inner = getattr(function, "__wrapped__", function)
    prefix = "async " if inspect.iscoroutinefunction(inner) else ""
    text = re.sub(r"<(\w+\.\w+): [^>]*>", r"\1", f"{prefix}{name}{shown}")
    text = text.replace("'", "").replace('"', "").replace("datetime.timedelta", "timedelta")
    return f"{level} {name}\n\n```\n{text}\n```\n\n{_paragraphs(function)}"
