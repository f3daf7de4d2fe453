"""What a plugin's value may not hold; every problem is found, each with its remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict
from pydantic_settings import BaseSettings

from ticketgen import (
    Caller,
    Exclusivity,
    NoRequest,
    Plugin,
    Schedule,
    StageMoves,
    StartContext,
    Subject,
    Task,
)
from ticketgen import TaskContext as Context
from ticketgen.conformance import RESERVED_NAMES, RESERVED_VERBS, check_identity, check_plugin
from ticketgen.domain.sessions import Stage
from ticketgen.errors import ConflictError
from ticketgen.provides import Brief, WrittenText, plain_writer


class Payload(BaseModel):
    count: int = 1


class Anything:
    pass


class Unstorable(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    anything: Anything


class AcmeError(ConflictError):
    code = "acme.refused"


class ForeignError(ConflictError):
    code = "export.refused"


class AcmeSettings(BaseSettings):
    size: int = 1


async def _prepare(start: StartContext, request: NoRequest) -> Payload:
    return Payload()


async def _handle(ctx: Context, payload: Payload) -> dict[str, Any]:
    return {}


async def _write(brief: Brief) -> WrittenText:
    return WrittenText(user_story="", success_criteria=())


def _handle_plainly(ctx: Context, payload: Payload) -> dict[str, Any]:
    return {}


async def _handle_alone(ctx: Context) -> dict[str, Any]:
    return {}


async def _handle_three(ctx: Context, payload: Payload, more: int) -> dict[str, Any]:
    return {}


async def _handle_by_name(*, ctx: Context, payload: Payload) -> dict[str, Any]:
    return {}


TASK: Task[Any, Any] = Task(
    name="acme",
    summary="Counts.",
    request=NoRequest,
    payload=Payload,
    prepare=_prepare,
    handler=_handle,
    job_name="acme_job",
    subject=Subject.NONE,
    exclusivity=Exclusivity.TYPE,
    startable_by=Caller.ADMIN,
)
NIGHTLY = Schedule(name="nightly", task="acme", cron="30 8 * * *")


def _messages(**fields: Any) -> list[str]:
    plugin = Plugin(**({"name": "acme", "summary": "Counts.", "tasks": (TASK,)} | fields))
    problems = check_plugin(plugin, name="acme")
    assert all(problem.remedy for problem in problems)
    return [problem.message for problem in problems]


def _task_messages(**changes: Any) -> list[str]:
    return _messages(tasks=(replace(TASK, **changes),))


def test_a_full_plugin_that_keeps_the_contract_has_no_problem() -> None:
    router = APIRouter()
    router.add_api_route("/labels/{session_id}", lambda: None)

    messages = _messages(
        schedules=(NIGHTLY,),
        tasks=(TASK, replace(TASK, name="acme.second_look", job_name="acme_second_job")),
        router=router,
        service=object,
        settings=AcmeSettings,
        provides=(plain_writer(name="acme", summary="Writes.", write=_write),),
        errors=(AcmeError,),
    )

    assert messages == []


@pytest.mark.parametrize("value", [None, "acme", {"name": "acme"}, Plugin])
def test_only_a_plugin_is_a_plugin(value: object) -> None:
    (problem,) = check_plugin(value, name="acme")

    assert "not a Plugin" in problem.message
    assert problem.remedy == "Return one ticketgen.Plugin value."


def test_a_plugin_bears_the_name_of_its_entry_point() -> None:
    (problem,) = check_plugin(Plugin(name="acne", summary="Counts."), name="acme")

    assert problem.message == "it calls itself 'acne', its entry point 'acme'"


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_reserved_name_is_refused(name: str) -> None:
    problems = check_identity(name)

    assert len(problems) == 1


@pytest.mark.parametrize("name", ["acme", "adf_validation", "a1"])
def test_a_plain_name_is_fine(name: str) -> None:
    assert check_identity(name) == []


def test_a_task_type_is_there_once() -> None:
    messages = _messages(tasks=(TASK, replace(TASK, job_name="other_job")))

    assert messages == ["task type 'acme' is there twice"]


def test_a_job_name_is_there_once() -> None:
    messages = _messages(tasks=(TASK, replace(TASK, name="acme.again")))

    assert messages == ["job name 'acme_job' is there twice"]


@pytest.mark.parametrize("name", ["export", "acmes", "acme.", "acme.Two", "acme.a.b", "acme/b", ""])
def test_a_task_type_lies_within_the_plugins_names(name: str) -> None:
    messages = _task_messages(name=name)

    assert messages == [f"task type {name!r} is outside the plugin's names"]


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (_handle_plainly, "handler of 'acme' is no `async def` function"),
        (None, "handler of 'acme' is no `async def` function"),
        (_handle_alone, "handler of 'acme' cannot be called with two arguments"),
        (_handle_three, "handler of 'acme' cannot be called with two arguments"),
        (_handle_by_name, "handler of 'acme' cannot be called with two arguments"),
    ],
    ids=["plain", "missing", "too few", "too many", "by name"],
)
def test_a_handler_is_an_async_function_of_two_arguments(
    handler: Callable[..., Any], message: str
) -> None:
    assert _task_messages(handler=handler) == [message]


def test_what_prepares_a_task_is_an_async_function_of_two_arguments() -> None:
    plain = _task_messages(prepare=_handle_plainly)
    alone = _task_messages(prepare=_handle_alone)

    assert plain == ["prepare of 'acme' is no `async def` function"]
    assert alone == ["prepare of 'acme' cannot be called with two arguments"]


@pytest.mark.parametrize("role", ["payload", "request"])
@pytest.mark.parametrize("model", [Unstorable, dict, Payload(), None])
def test_payload_and_request_are_models_that_json_can_hold(role: str, model: object) -> None:
    (message,) = _task_messages(**{role: model})

    assert message.startswith(f"{role} of 'acme' ")


def test_a_task_without_a_session_moves_no_stage() -> None:
    (message,) = _task_messages(stages=StageMoves(allowed=(Stage.REVIEW,)))

    assert message == "task 'acme' moves stages but has no session"


@pytest.mark.parametrize("verb", sorted(RESERVED_VERBS))
def test_a_route_uses_no_word_of_the_host(verb: str) -> None:
    router = APIRouter()
    router.add_api_route(f"/{verb}/{{session_id}}", lambda: None)

    (message,) = _messages(router=router)

    assert message == f"route /{verb}/{{session_id}} uses the reserved word {verb!r}"


def test_an_app_mounted_in_a_router_is_refused() -> None:
    router = APIRouter()
    router.mount("/inside", FastAPI())

    (message,) = _messages(router=router)

    assert message.endswith("is no plain HTTP route of the router")


def test_a_router_is_a_router() -> None:
    assert _messages(router=FastAPI()) == ["router is no fastapi.APIRouter"]


@asynccontextmanager
async def _lifespan(app: object) -> AsyncIterator[None]:
    yield


def _start_up() -> None:
    pass


@pytest.mark.parametrize(
    "router",
    [APIRouter(lifespan=_lifespan), APIRouter(on_startup=[_start_up])],
    ids=["lifespan", "start-up"],
)
def test_a_router_with_a_lifespan_is_refused(router: APIRouter) -> None:
    assert _messages(router=router) == ["router has a lifespan of its own"]


@pytest.mark.parametrize("settings", [AcmeSettings(), Payload, "TICKETGEN_ACME"])
def test_settings_are_a_settings_class(settings: object) -> None:
    assert _messages(settings=settings) == ["settings is no BaseSettings class"]


def test_a_service_can_be_called() -> None:
    assert _messages(service="AcmeService") == ["service cannot be called"]


def test_an_error_code_lies_within_the_plugins_names() -> None:
    (message,) = _messages(errors=(ForeignError,))

    assert "'export.refused' of ForeignError is outside the plugin's names" in message


def test_a_listed_error_is_an_error_of_the_contract() -> None:
    (message,) = _messages(errors=(ValueError,))

    assert "no TicketgenError class" in message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tasks": [TASK]}, "tasks is list, not a tuple"),
        ({"tasks": ("acme",)}, "'acme' in tasks is no Task"),
        ({"schedules": None}, "schedules is NoneType, not a tuple"),
        ({"provides": None}, "provides is NoneType, not a tuple"),
        ({"errors": ("acme.refused",)}, "'acme.refused' in errors is no TicketgenError class"),
    ],
)
def test_what_holds_several_values_is_a_tuple_of_the_right_ones(
    fields: dict[str, Any], message: str
) -> None:
    assert _messages(**fields) == [message]


def test_every_problem_is_found_at_once() -> None:
    alone: dict[str, Any] = {"handler": _handle_alone, "payload": dict}

    messages = _messages(
        name="acne",
        tasks=(replace(TASK, **alone),),
        schedules=(replace(NIGHTLY, cron="never"),),
        settings=Payload,
        errors=(ForeignError,),
    )

    assert len(messages) == 7


def test_a_websocket_of_the_plugins_own_is_refused() -> None:
    router = APIRouter()

    @router.websocket("/watch")
    async def watch() -> None: ...

    (message,) = _messages(router=router)

    assert message.endswith("is no plain HTTP route of the router")


def test_a_task_without_a_session_says_how_often_it_runs_and_who_starts_it() -> None:
    task = replace(TASK, exclusivity=Exclusivity.SUBJECT, startable_by=Caller.OWNER)

    messages = _messages(tasks=(task,))

    assert [message.split(" has no session, so ")[1] for message in messages] == [
        "there cannot be one run per session",
        "nobody owns it",
    ]
