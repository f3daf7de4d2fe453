"""A stranger's plugin whose tasks are fast, slow, wrong, flaky, blocking, deadly or costly.

Its text is installed as the distribution `ticketgen-chaos`; it sees the public surface only.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from ticketgen import (
    Caller,
    Exclusivity,
    Plugin,
    RetryPolicy,
    StartContext,
    Subject,
    Task,
    TaskContext,
    hookimpl,
)
from ticketgen.errors import InvalidInputError, TemporaryError
from ticketgen.provides import (
    CompletedExport,
    ExportTarget,
    ExportTicket,
    Sending,
    SentTicket,
)

__all__ = ["ticketgen_plugin"]


class ChaosSettings(BaseSettings):
    """Where things are created."""

    url: str = "http://127.0.0.1:9"
    patience: float = 1.0
    """Seconds to wait for an answer."""


class ChaosRequest(BaseModel):
    """What one run is to do; request and payload of every kind."""

    number: int
    parts: int = 1
    seconds: float = 0.0


class RefusedError(InvalidInputError):
    """What was asked for is wrong, and will be wrong the next time."""

    code = "chaos.refused"


class OutsideError(TemporaryError):
    """The outside system did not answer, or not well."""

    code = "chaos.outside"


class TurnedAwayError(OutsideError):
    """The outside system said that it has done nothing."""

    code = "chaos.turned_away"


_CALL = timedelta(seconds=3)
"""Longer than the patience with one answer. The ledger's own margin on top of it is longer than
the outside system takes to do, and then to find, what it was asked for."""


async def prepare(start: StartContext, request: ChaosRequest) -> ChaosRequest:
    """Every request is fine."""
    return request


async def fast(ctx: TaskContext, payload: ChaosRequest) -> dict[str, Any]:
    """Do nothing."""
    return {"number": payload.number}


async def slow(ctx: TaskContext, payload: ChaosRequest) -> dict[str, Any]:
    """Sleep in steps; say which attempt did each."""

    async def work() -> int:
        await asyncio.sleep(payload.seconds)
        return ctx.run.attempt

    attempts = []
    for part in range(payload.parts):
        await ctx.progress(100 * part / payload.parts, "Sleeping")
        attempts.append(await ctx.step(f"part:{part}", work))
    return {"attempts": attempts}


async def failing(ctx: TaskContext, payload: ChaosRequest) -> dict[str, Any]:
    """Fail for good."""
    raise RefusedError("This can never work.", recovery_actions=["Ask for something else."])


async def flaky(ctx: TaskContext, payload: ChaosRequest) -> dict[str, Any]:
    """Fail for the time being, as often as asked."""
    if ctx.run.tries <= payload.parts:
        raise TemporaryError("Not yet.")
    return {"tries": ctx.run.tries}


async def blocking(ctx: TaskContext, payload: ChaosRequest) -> dict[str, Any]:
    """Stop the event loop of the whole worker for a while."""
    time.sleep(payload.seconds)  # noqa: ASYNC251 - the mistake that is to be survived
    return {}


async def poison(ctx: TaskContext, payload: ChaosRequest) -> dict[str, Any]:
    """Kill the worker, as a handler does that needs too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(60)
    return {}


async def cancelled(ctx: TaskContext, payload: ChaosRequest) -> dict[str, Any]:
    """Go on until somebody says stop."""
    for _ in range(payload.parts):
        await asyncio.sleep(payload.seconds)
    return {}


async def effect(ctx: TaskContext, payload: ChaosRequest) -> dict[str, Any]:
    """Create things elsewhere, each once."""
    settings: ChaosSettings = ctx.settings
    numbers = []
    for part in range(payload.parts):
        key = f"run:{payload.number}:{part}"
        numbers.append(
            await ctx.effect(
                "create",
                key,
                _create(settings.url, key, settings.patience),
                look_up=_look_up(settings.url, key, settings.patience),
                refused=(TurnedAwayError,),
                timeout=_CALL,
            )
        )
    return {"numbers": numbers}


def _create(url: str, key: str, patience: float) -> Callable[[], Awaitable[int]]:
    async def create() -> int:
        answer = await _asked("POST", f"{url}/items", patience, json={"key": key})
        return int(answer["number"])

    return create


def _look_up(url: str, key: str, patience: float) -> Callable[[], Awaitable[int | None]]:
    async def look_up() -> int | None:
        answer = await _asked("GET", f"{url}/items", patience, params={"key": key})
        numbers: list[int] = answer["numbers"]
        return numbers[0] if numbers else None

    return look_up


async def _asked(method: str, url: str, patience: float, **what: Any) -> dict[str, Any]:
    try:
        async with asyncio.timeout(patience), httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.request(method, url, **what)
            if answer.status_code == 503:
                raise TurnedAwayError("The outside system is busy.")
            answer.raise_for_status()
            content: dict[str, Any] = answer.json()
            return content
    except (httpx2.HTTPError, TimeoutError) as error:
        raise OutsideError(f"{method} {url}: {type(error).__name__}: {error}") from error


async def send(ticket: ExportTicket, sending: Sending) -> SentTicket:
    """Create one thing for one ticket."""
    options = sending.options
    create = _create(options["url"], sending.idempotency_key, options["patience"])
    return SentTicket(ticket_id=ticket.id, reference=str(await create()))


async def find(ticket: ExportTicket, sending: Sending) -> SentTicket | None:
    """What was created for the ticket, if anything was."""
    options = sending.options
    look_up = _look_up(options["url"], sending.idempotency_key, options["patience"])
    number = await look_up()
    return None if number is None else SentTicket(ticket_id=ticket.id, reference=str(number))


async def complete(
    tickets: Sequence[ExportTicket], sent: Mapping[UUID, SentTicket], sending: Sending
) -> CompletedExport:
    """Nothing is left to do."""
    return CompletedExport()


COUNTING_TARGET = ExportTarget(
    name="counting",
    summary="Creates a thing for each ticket.",
    send=send,
    complete=complete,
    find=find,
    refused=(TurnedAwayError,),
    timeout=_CALL,
)

_HANDLERS = {
    "fast": fast,
    "slow": slow,
    "failing": failing,
    "flaky": flaky,
    "blocking": blocking,
    "poison": poison,
    "cancelled": cancelled,
    "effect": effect,
}


def _task(name: str, handler: Any) -> Task[ChaosRequest, ChaosRequest]:
    return Task(
        name=f"chaos.{name}",
        summary=handler.__doc__ or name,
        request=ChaosRequest,
        payload=ChaosRequest,
        prepare=prepare,
        handler=handler,
        job_name=f"chaos_{name}_job",
        subject=Subject.NONE,
        exclusivity=Exclusivity.NONE,
        startable_by=Caller.ADMIN,
        timeout=timedelta(minutes=5),
        # An outage of the database in the middle of a handler costs a try, and here are many.
        retry=RetryPolicy(max_tries=1000, base=timedelta(seconds=0.3), limit=timedelta(seconds=2)),
    )


@hookimpl
def ticketgen_plugin() -> Plugin:
    """Tasks of every kind, and a target that counts."""
    return Plugin(
        name="chaos",
        summary="Makes trouble.",
        tasks=tuple(_task(name, handler) for name, handler in _HANDLERS.items()),
        settings=ChaosSettings,
        provides=(COUNTING_TARGET,),
        errors=(RefusedError, OutsideError, TurnedAwayError),
    )
