"""What a start stores: the request read, the subject checked, and what `prepare` made of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError
from uuid_utils.compat import uuid4

from ticketgen.errors import InvalidInputError
from ticketgen.plugin import Exclusivity, Subject, Task
from ticketgen.ports import StartContext

__all__ = [
    "as_json",
    "as_stored",
    "check_subject",
    "exclusivity_key",
    "payload_of",
    "prepared",
    "read_request",
    "require_any_number",
]


def check_subject(task: Task[Any, Any], session_id: UUID | None) -> None:
    """Refuse a session where the task has none, and none where it needs one.

    Raises:
        InvalidInputError: it is the other way round than the task declares.
    """
    if task.subject is Subject.NONE and session_id is not None:
        raise InvalidInputError(f"The task {task.name!r} is not about a session.")
    if task.subject is not Subject.NONE and session_id is None:
        raise InvalidInputError(f"The task {task.name!r} needs a session.")


def read_request(task: Task[Any, Any], request: BaseModel | Mapping[str, Any] | None) -> BaseModel:
    """What is asked, as the task's own model; nothing asked is the model's defaults.

    Raises:
        InvalidInputError: the model does not accept it.
    """
    model: type[BaseModel] = task.request
    if isinstance(request, model):
        return request
    given = request.model_dump() if isinstance(request, BaseModel) else dict(request or {})
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"{task.name}: {field}: {first['msg']}") from None


async def payload_of(
    task: Task[Any, Any], context: StartContext, request: BaseModel
) -> dict[str, Any]:
    """What `prepare` makes of the request, as it is stored with the run; raises as `prepared`."""
    return as_stored(await prepared(task, context, request))


async def prepared(task: Task[Any, Any], context: StartContext, request: BaseModel) -> BaseModel:
    """What `prepare` makes of the request.

    Raises:
        TicketgenError: what `prepare` refuses.
        RuntimeError: it tried to end the process.
    """
    try:
        payload: BaseModel = await task.prepare(context, request)
    except SystemExit as error:
        raise RuntimeError(f"prepare of {task.name!r} tried to end the process") from error
    return payload


def as_stored(model: BaseModel) -> dict[str, Any]:
    """A request or payload as its row keeps it.

    Raises:
        InvalidInputError: JSON cannot hold it.
    """
    with _storable():
        return model.model_dump(mode="json")


def as_json(model: BaseModel) -> str:
    """The same as text; raises as `as_stored`."""
    with _storable():
        return model.model_dump_json()


@contextmanager
def _storable() -> Iterator[None]:
    try:
        yield
    except (ValueError, RecursionError):
        raise InvalidInputError(
            "The request is nested too deeply, or holds a value that JSON has no word for.",
            recovery_actions=["Send plain values: texts, numbers, short lists and objects."],
        ) from None


def require_any_number(task: Task[Any, Any]) -> None:
    """Refuse a task of which there may be one run at a time.

    Raises:
        InvalidInputError: it is one.
    """
    if task.exclusivity is not Exclusivity.NONE:
        raise InvalidInputError(
            f"Many runs of {task.name!r} cannot be started at once: it runs once at a time.",
            recovery_actions=["Start it alone, or declare `exclusivity=Exclusivity.NONE`."],
        )


def exclusivity_key(task: Task[Any, Any], session_id: UUID | None) -> str:
    """What no two active runs share; random where the task allows any number of them."""
    if task.exclusivity is Exclusivity.NONE:
        return f"{task.name}:{uuid4()}"
    if task.exclusivity is Exclusivity.TYPE or session_id is None:
        return task.name
    return f"{task.name}:{session_id}"
