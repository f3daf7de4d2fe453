"""Whether the tasks of a plugin can be started, run, and told from those of others."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from types import NoneType
from typing import Any

from pydantic import BaseModel

from ticketgen.conformance.functions import takes
from ticketgen.conformance.problem import Problem, described, problem
from ticketgen.conformance.shape import field_problems
from ticketgen.domain.sessions import Stage
from ticketgen.plugin import (
    Caller,
    Exclusivity,
    Plugin,
    RetryPolicy,
    StageMoves,
    Subject,
    Task,
)

__all__ = ["repeated", "task_problems"]

_FIELDS: Mapping[str, Any] = {
    "name": str,
    "summary": str,
    "job_name": str,
    "subject": Subject,
    "startable_by": Caller,
    "exclusivity": Exclusivity,
    "conflict_group": (str, NoneType),
    "timeout": (timedelta, NoneType),
    "retry": RetryPolicy,
    "stages": (StageMoves, NoneType),
}

_RETRY_FIELDS: Mapping[str, Any] = {
    "max_tries": int,
    "base": (timedelta, NoneType),
    "limit": (timedelta, NoneType),
}

_STAGE_FIELDS: Mapping[str, Any] = {
    "allowed": tuple,
    **dict.fromkeys(("on_start", "on_success", "on_failure", "on_cancel"), (Stage, NoneType)),
}


def task_problems(plugin: Plugin) -> Iterator[Problem]:
    """What is wrong with the tasks, each by itself and together."""
    readable: list[Task[Any, Any]] = []
    for task in plugin.tasks:
        wrong = list(_type_problems(task))
        yield from wrong
        readable += [] if wrong else [task]
    for name in repeated(task.name for task in readable):
        yield problem(f"task type {name!r} is there twice", "Name each type once.")
    for name in repeated(task.job_name for task in readable):
        yield problem(f"job name {name!r} is there twice", "Give each task its own.")
    for task in readable:
        yield from _name_problems(plugin, task)
        yield from _figure_problems(task)
        yield from _subject_problems(task)
    for task in plugin.tasks:
        yield from _function_problems(task)
        yield from _model_problems(task.name, "request", task.request)
        yield from _model_problems(task.name, "payload", task.payload)


def repeated(names: Iterable[str]) -> list[str]:
    """Those that are there more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _type_problems(task: Task[Any, Any]) -> Iterator[Problem]:
    owner = f"task {task.name!r}"
    yield from field_problems(task, owner, _FIELDS)
    if isinstance(task.retry, RetryPolicy):
        yield from field_problems(task.retry, f"retry of {owner}", _RETRY_FIELDS)
    if not isinstance(task.stages, StageMoves):
        return
    yield from field_problems(task.stages, f"stages of {owner}", _STAGE_FIELDS)
    allowed = task.stages.allowed
    if isinstance(allowed, tuple) and not all(isinstance(stage, Stage) for stage in allowed):
        yield problem(f"stages of {owner} allows what is no Stage", "List Stage values.")


def _name_problems(plugin: Plugin, task: Task[Any, Any]) -> Iterator[Problem]:
    if task.name != plugin.name and not re.fullmatch(
        re.escape(plugin.name) + r"\.[a-z][a-z0-9_]*", task.name
    ):
        yield problem(
            f"task type {task.name!r} is outside the plugin's names",
            f"Call it {plugin.name!r} or {plugin.name + '.something'!r}.",
        )
    if not re.fullmatch(r"\w+", task.job_name):
        yield problem(
            f"{task.job_name!r} is no valid job name of task {task.name!r}",
            "Use letters, digits and underscores.",
        )


def _figure_problems(task: Task[Any, Any]) -> Iterator[Problem]:
    nothing = timedelta(0)
    if task.timeout is not None and task.timeout <= nothing:
        yield problem(f"timeout of task {task.name!r} is not positive", "Give it some time.")
    if task.retry.max_tries < 1:
        yield problem(f"retry of task {task.name!r} allows no try at all", "Give 1 or more.")
    delays = (task.retry.base, task.retry.limit)
    if any(delay is not None and delay < nothing for delay in delays):
        yield problem(f"a delay of retry of task {task.name!r} is negative", "Give 0 or more.")


def _subject_problems(task: Task[Any, Any]) -> Iterator[Problem]:
    if task.subject is not Subject.NONE:
        return
    if task.stages is not None:
        yield problem(
            f"task {task.name!r} moves stages but has no session",
            "Remove stages, or make the session its subject.",
        )
    if task.exclusivity is Exclusivity.SUBJECT:
        yield problem(
            f"task {task.name!r} has no session, so there cannot be one run per session",
            "Give it Exclusivity.TYPE or Exclusivity.NONE.",
        )
    if task.startable_by is Caller.OWNER:
        yield problem(
            f"task {task.name!r} has no session, so nobody owns it",
            "Give it Caller.ADMIN or Caller.SCHEDULE.",
        )


def _function_problems(task: Task[Any, Any]) -> Iterator[Problem]:
    roles: list[tuple[str, Callable[..., Any] | None, str]] = [
        ("prepare", task.prepare, "Give it the context and the request."),
        ("handler", task.handler, "Give it the context and the payload."),
    ]
    if task.consult is not None:
        roles.append(("consult", task.consult, "Give it the context and the request."))
    if task.discard is not None:
        roles.append(("discard", task.discard, "Give it the database and the run's identity."))
    for role, function, arguments in roles:
        if not inspect.iscoroutinefunction(function):
            yield problem(f"{role} of {task.name!r} is no `async def` function", "Write it as one.")
        elif not takes(function, 2):
            yield problem(f"{role} of {task.name!r} cannot be called with two arguments", arguments)


def _model_problems(task: str, role: str, model: object) -> Iterator[Problem]:
    remedy = "Use a pydantic model whose fields JSON can hold."
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        yield problem(f"{role} of {task!r} is no pydantic model class", remedy)
        return
    try:
        model.model_json_schema()
    except Exception as error:
        yield problem(f"{role} of {task!r} has no JSON schema: {described(error)}", remedy)
