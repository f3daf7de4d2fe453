"""What a task, and what a plugin provides, may hold; no value makes the check itself fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import typer

from tests.core import lab
from ticketgen import Plugin, RetryPolicy, StageMoves, Task
from ticketgen.conformance import check_plugin
from ticketgen.domain.sessions import Stage
from ticketgen.provides import (
    Commands,
    CsvType,
    ExportTarget,
    HealthCheck,
    Metric,
    OpenRehearsal,
    Rehearsal,
    Shortcut,
    UploadInspector,
    Writer,
)


class _Nameless:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class _Asked:
    async def __call__(self, context: object) -> None:
        return None


async def _two(one: object, two: object) -> Any:
    return None


@asynccontextmanager
async def _opened(context: object) -> AsyncIterator[OpenRehearsal]:
    yield OpenRehearsal()


def _of(kind: Any, **fields: Any) -> Any:
    """A value as an author might write it who does not check types."""
    return kind(**fields)


def _messages(**fields: Any) -> list[str]:
    plugin = Plugin(**({"name": "lab", "summary": "Checks.", "tasks": (lab.task(),)} | fields))
    problems = check_plugin(plugin, name="lab")
    assert all(problem.remedy for problem in problems)
    return [problem.message for problem in problems]


def _of_task(**changes: Any) -> list[str]:
    task: Task[Any, Any] = replace(lab.task(), **changes)
    return _messages(tasks=(task,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "name of task None is NoneType, not str"),
        ({"summary": 3}, "summary of task 'lab' is int, not str"),
        ({"job_name": None}, "job_name of task 'lab' is NoneType, not str"),
        ({"job_name": "lab job"}, "'lab job' is no valid job name of task 'lab'"),
        ({"subject": "session"}, "subject of task 'lab' is str, not Subject"),
        ({"startable_by": "admin"}, "startable_by of task 'lab' is str, not Caller"),
        ({"exclusivity": True}, "exclusivity of task 'lab' is bool, not Exclusivity"),
        ({"conflict_group": 1}, "conflict_group of task 'lab' is int, not str or None"),
        ({"timeout": 60}, "timeout of task 'lab' is int, not timedelta or None"),
        ({"timeout": timedelta(0)}, "timeout of task 'lab' is not positive"),
        ({"retry": 3}, "retry of task 'lab' is int, not RetryPolicy"),
        ({"retry": RetryPolicy(max_tries=0)}, "retry of task 'lab' allows no try at all"),
        (
            {"retry": RetryPolicy(max_tries=True)},
            "max_tries of retry of task 'lab' is bool, not int",
        ),
        (
            {"retry": RetryPolicy(base=timedelta(seconds=-1))},
            "a delay of retry of task 'lab' is negative",
        ),
        ({"stages": Stage.REVIEW}, "stages of task 'lab' is Stage, not StageMoves or None"),
        ({"discard": print}, "discard of 'lab' is no `async def` function"),
        ({"discard": _Asked.__call__}, ""),
    ],
)
def test_what_a_task_holds_is_of_its_type(changes: dict[str, Any], message: str) -> None:
    assert _of_task(**changes) == ([message] if message else [])


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ([Stage.REVIEW], "allowed of stages of task 'lab' is list, not tuple"),
        (("review",), "stages of task 'lab' allows what is no Stage"),
    ],
)
def test_stages_allow_stages(allowed: Any, message: str) -> None:
    assert _of_task(stages=StageMoves(allowed=allowed)) == [message]


@pytest.mark.parametrize("field", ["name", "summary", "subject", "timeout", "retry", "stages"])
def test_a_value_that_cannot_even_be_shown_is_a_problem_and_no_exception(field: str) -> None:
    changes: dict[str, Any] = {field: "x" if field == "name" else _Nameless()}
    task: Task[Any, Any] = replace(lab.task(), **changes)

    messages = _messages(tasks=(task,), errors=(_Nameless(),), provides=(_Nameless(),))

    assert len(messages) == 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (_of(HealthCheck, name="ink", check=partial(_two, "one")), None),
        (_of(HealthCheck, name="ink", check=_Asked()), None),
        (_of(HealthCheck, name="ink", check=_two), "cannot be called with 1 arguments"),
        (_of(HealthCheck, name=" ", check=_Asked()), "a HealthCheck has no name"),
        (_of(Writer, name="w", summary="W.", open=None), "open of Writer 'w' is no function"),
        (_of(Writer, name="w", summary="W.", open=_two), "has to give an async context manager"),
        (
            _of(Writer, name=7, summary="W.", open=partial(print)),
            "name of Writer 7 is int, not str",
        ),
        (_of(UploadInspector, name="u", inspect=_two), "is `async def`; it is called in a thread"),
        (
            _of(ExportTarget, name="t", summary="T.", send=_two, complete=_two),
            "complete of ExportTarget 't' cannot be called with 3 arguments",
        ),
        (_of(Commands, app="typer"), "app of Commands is str, not Typer"),
        (_of(Metric, name="lab", summary="L.", read=_Asked()), None),
        (_of(Metric, name="labs", summary="L.", read=_Asked()), "outside the plugin's names"),
        (
            _of(Metric, name="lab_x", summary="L.", read=_Asked(), labels=("a", "a")),
            "has labels that are none",
        ),
        (
            _of(
                CsvType,
                name="c",
                label="C",
                entity_group="C",
                file_stems=("c",),
                columns=("Name",),
                title_column="Name",
            ),
            "columns of CsvType 'c' are no Column values",
        ),
    ],
)
def test_what_is_provided_can_be_used_as_the_host_uses_it(value: Any, message: str | None) -> None:
    messages = _messages(provides=(value,))

    assert len(messages) == (0 if message is None else 1)
    assert message is None or message in messages[0]


@pytest.mark.parametrize(
    ("shortcut", "message"),
    [
        (_of(Shortcut, name="big-ben", command="ring"), None),
        (_of(Shortcut, name="big-ben", command="bells"), None),
        (_of(Shortcut, name="big-ben", command="strike-twice"), None),
        (_of(Shortcut, name="big-ben", command="toll"), "leads to 'toll', which is no command"),
        (_of(Shortcut, name="big ben", command="ring"), "is no word that can be typed"),
        (_of(Shortcut, name="-big", command="ring"), "is no word that can be typed"),
        (_of(Shortcut, name="runs", command="ring"), "'runs' is reserved for the host"),
        (_of(Shortcut, name="stream-pass", command="ring"), "is reserved for the host"),
        (_of(Shortcut, name="lab", command="ring"), "is called like the plugin"),
        (_of(Shortcut, name="", command="ring"), "a Shortcut has no name"),
        (_of(Shortcut, name="big-ben", command=None), "command of Shortcut 'big-ben' is NoneType"),
    ],
)
def test_a_shortcut_is_a_free_word_for_a_command_of_the_plugin(
    shortcut: Any, message: str | None
) -> None:
    app, bells = typer.Typer(), typer.Typer()
    app.command()(strike_twice)
    app.command("ring")(strike_twice)
    app.add_typer(bells, name="bells")

    messages = _messages(provides=(Commands(app=app), shortcut))

    assert (messages == []) if message is None else any(message in one for one in messages)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"name": "Big Ben"}, "Rehearsal 'Big Ben' is no word that can be typed"),
        ({"name": "../big"}, "Rehearsal '../big' is no word that can be typed"),
        ({"name": ""}, "a Rehearsal has no name"),
        ({"target": None}, "target of Rehearsal 'big-ben' is NoneType, not str"),
        ({"open": None}, "open of Rehearsal 'big-ben' is no function"),
        ({"open": _two}, "open of Rehearsal 'big-ben' is `async def`"),
        ({"open": lambda: None}, "open of Rehearsal 'big-ben' cannot be called with 1 arguments"),
    ],
)
def test_a_rehearsal_is_a_word_with_a_target_and_something_to_open(
    changes: dict[str, Any], message: str | None
) -> None:
    fields = {"name": "big-ben", "summary": "B.", "target": "tower", "open": _opened} | changes

    messages = _messages(provides=(_of(Rehearsal, **fields),))

    assert (messages == []) if message is None else any(message in one for one in messages)


def test_a_shortcut_needs_commands() -> None:
    messages = _messages(provides=(Shortcut(name="big-ben", command="ring"),))

    assert any("which is no command of the plugin" in one for one in messages)


def strike_twice() -> None:
    """Strike."""
