"""Whether the system works, and what is missing if it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ticketgen.api import examples
from ticketgen.api.asking import Question, Silence, ask_all
from ticketgen.api.deps import (
    Credentials,
    CurrentUser,
    Work,
    current_user,
    problem_responses,
)
from ticketgen.api.host import HostRuntime
from ticketgen.api.routes.plugins import trouble_in_workers
from ticketgen.api.routes.workers import LiveWorker
from ticketgen.discovery import FoundPlugin
from ticketgen.domain import workers
from ticketgen.domain.backlog import count_backlog
from ticketgen.domain.workers import WorkerProcess
from ticketgen.errors import AdminRequiredError, AuthenticationError, TemporaryError
from ticketgen.migrations import SchemaError, require_current_schema
from ticketgen.provides import HealthCheck, HealthContext
from ticketgen.storable import storable_text
from ticketgen.streams.service import Streams
from ticketgen.vault import count_unopened

__all__ = ["public", "router"]

public = APIRouter(tags=["health"])
router = APIRouter(tags=["health"])

_log = structlog.get_logger(__name__)


class NoWorkerError(TemporaryError):
    """Nothing of what is started runs until a worker comes, or comes to itself."""

    code = "no_worker"


class BacklogError(TemporaryError):
    """Runs wait, and nobody takes them."""

    code = "backlog"


class KeyMissingError(AdminRequiredError):
    """Secrets of other systems are stored that no key opens here."""

    code = "key_missing"


_NEEDED = frozenset({"database", "schema", "redis", "progress", "process"})
"""Without these the process cannot serve; without the rest it can, though not everything runs."""

_OF_THE_DATABASE = ("schema", "workers", "queue", "secrets")
"""What only the database can tell."""

_LIMIT_SECONDS = 5.0
"""So long a server may take to answer a question of readiness."""

_LAG_SECONDS = 2.0
"""A worker whose event loop is later than that is blocked by a handler."""

_WAITING = timedelta(seconds=60)
"""A run that is due for so long should be in somebody's hands."""

_MORE_OF_PLUGINS = "See GET /api/plugins and `ticketgen plugins doctor`."

Condition = Literal["healthy", "unhealthy"]


class Health(BaseModel):
    """The founding specification's three fields, and every live worker."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.HEALTH]})

    api: Condition
    worker: Condition = Field(description="healthy: at least one worker lives.")
    worker_last_seen: datetime | None
    workers: list[LiveWorker]


class Live(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: Literal["alive"] = "alive"


class Check(BaseModel):
    """One thing the system needs."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.READINESS_CHECK]})

    name: str
    ok: bool
    message: str = ""


class Readiness(BaseModel):
    """Whether requests and runs can be served, and what is missing."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.READINESS]})

    ready: bool
    degraded: bool = Field(description="Something is missing, though requests can be served.")
    checks: list[Check]


@public.get("/health/live")
async def live() -> Live:
    """Answer that the process lives; the one address that needs no token."""
    return Live()


@router.get("/health", responses=problem_responses())
async def health(work: Work, runtime: HostRuntime, user: CurrentUser) -> Health:
    """Tell whether workers live: right to within the heartbeat's expiry, 30 s by default."""
    found = await workers.list_live_workers(work.db, expiry=runtime.settings.heartbeat_expiry)
    return Health(
        api="healthy",
        worker="healthy" if found else "unhealthy",
        worker_last_seen=max((worker.last_seen_at for worker in found), default=None),
        workers=[LiveWorker.model_validate(worker) for worker in found],
    )


@router.get(
    "/health/ready",
    responses={
        **problem_responses(),
        503: {"model": Readiness, "description": "Something is missing."},
    },
)
async def ready(
    request: Request, response: Response, runtime: HostRuntime, credentials: Credentials
) -> Readiness:
    """Check database, schema, Redis, workers, queue, progress and plugins, and ask their checks.

    Needs a token as long as the database can be asked for it. Workers and plugins that are
    missing make the system degraded, not unready: what is started is stored and runs later.
    """
    database, redis = await asyncio.gather(
        _checked("database", _admit(runtime, credentials)),
        _checked("redis", runtime.queue.ping()),
    )
    of_database, of_plugins, standing = await asyncio.gather(
        _ask_database(runtime, database),
        _ask_plugins(runtime),
        _ask_standing(runtime, database),
    )
    schema, *others = of_database
    streams: Streams = request.app.state.streams
    checks = [database, schema, redis, *others, *_ask_streams(streams), standing, *of_plugins]
    is_ready = all(check.ok for check in checks if check.name in _NEEDED)
    if not is_ready:
        response.status_code = 503
    return Readiness(ready=is_ready, degraded=not all(check.ok for check in checks), checks=checks)


async def _checked(name: str, asking: Awaitable[str | None]) -> Check:
    """What came of asking; why nothing answered is for the log, it may name hosts and users."""
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            remark = await asking
    except AuthenticationError:
        raise
    except (SchemaError, NoWorkerError, BacklogError, KeyMissingError) as error:
        return Check(name=name, ok=False, message=error.message)
    except Exception as error:
        _log.warning("check_failed", check=name, error=f"{type(error).__name__}: {error}"[:300])
        return Check(name=name, ok=False, message="It does not answer; the log says why.")
    return Check(name=name, ok=True, message=remark or "")


async def _admit(runtime: HostRuntime, credentials: Credentials) -> None:
    """Ask the database for the caller's token, which also proves that it answers."""
    async with runtime.unit_of_work() as work:
        await current_user(work, credentials)
        await work.db.execute(text("SELECT 1"))


async def _ask_database(runtime: HostRuntime, database: Check) -> list[Check]:
    """What the database tells, one question after the other: the pool is for the requests."""
    if not database.ok:
        unknown = "Unknown as long as the database does not answer."
        return [Check(name=name, ok=False, message=unknown) for name in _OF_THE_DATABASE]
    return [
        await _checked("schema", require_current_schema(runtime.engine)),
        await _checked("workers", _ask_workers(runtime)),
        await _checked("queue", _ask_queue(runtime)),
        await _checked("secrets", _ask_secrets(runtime)),
    ]


async def _ask_workers(runtime: HostRuntime) -> str:
    async with runtime.session_factory() as db:
        found = await workers.list_live_workers(db, expiry=runtime.settings.heartbeat_expiry)
    if not found:
        raise NoWorkerError("No worker lives; start `ticketgen-worker`.")
    blocked = [_blocked(worker) for worker in found if worker.lag > _LAG_SECONDS]
    if blocked:
        raise NoWorkerError(" ".join(blocked))
    return ""


def _blocked(worker: WorkerProcess) -> str:
    return (
        f"A handler blocks the event loop of {worker.host}:{worker.pid}, for {worker.lag:.0f} s "
        "when it was last heard of; its log has the stack (`event_loop_blocked`)."
    )


async def _ask_queue(runtime: HostRuntime) -> str:
    async with runtime.session_factory() as db:
        waiting = await count_backlog(db)
    parked = f"{waiting.parked} parked; see GET /api/runs?state=parked." if waiting.parked else ""
    if waiting.oldest > _WAITING:
        age = int(waiting.oldest.total_seconds())
        raise BacklogError(
            f"Due and not begun: {waiting.due}, the oldest for {age} s; start more workers, or "
            f"see why they take nothing. {parked}".rstrip()
        )
    return parked


async def _ask_secrets(runtime: HostRuntime) -> None:
    async with runtime.session_factory() as db:
        unopened = await count_unopened(db, runtime.keys)
    if unopened:
        raise KeyMissingError(
            f"{unopened} secrets of other systems are sealed with a key that is missing here; see "
            "`ticketgen secrets status`."
        )


def _ask_streams(streams: Streams) -> list[Check]:
    """Whether progress arrives here, and whether this process goes on taking clients."""
    stopping = streams.stopping.is_set()
    trouble = streams.hub.trouble
    return [
        Check(name="progress", ok=trouble is None, message=trouble or ""),
        Check(
            name="process",
            ok=not stopping,
            message="It was told to stop; ask another one." if stopping else "",
        ),
    ]


async def _ask_plugins(runtime: HostRuntime) -> list[Check]:
    """Ask the plugins' own checks; no name of core's has a dot in it."""
    questions = [
        Question(
            plugin=plugin,
            name=check.name,
            settings=runtime.registry.settings.get(plugin),
            ask=partial(_said, check),
        )
        for plugin, check in runtime.registry.owned(HealthCheck)
    ]
    answers = await ask_all(runtime, questions, kind="health")
    return [_answered(*pair) for pair in zip(questions, answers, strict=True)]


async def _said(check: HealthCheck, context: HealthContext) -> str:
    said = await check.check(context)
    if said is not None and (not isinstance(said, str) or not said):
        raise TypeError(f"a check answers None or a sentence, not {said!r:.100}")
    return said or ""


def _answered(question: Question[str], answer: str | Silence) -> Check:
    name = f"{question.plugin}.{question.name}"
    if not isinstance(answer, Silence):
        return Check(name=name, ok=not answer, message=storable_text(answer)[:1_000])
    _log.warning(
        "health_check_failed",
        plugin=question.plugin,
        check=question.name,
        remark=answer.remark,
        error=answer.cause,
    )
    message = f"The check of the plugin {question.plugin} {answer.remark}"
    return Check(name=name, ok=False, message=message)


async def _ask_standing(runtime: HostRuntime, database: Check) -> Check:
    """Which plugins are out of use, here or in a live worker, and since which phase.

    No more than that: while the database is away nobody knows who asks.
    """
    here = runtime.registry.plugins
    broken = [_placed(found) for found in here if found.status.is_broken]
    broken += [
        f"{name} is in use, but its hooks failed {in_a_row} times in a row (see the log)"
        for name, in_a_row in runtime.registry.standing.failing().items()
    ]
    if database.ok:
        broken += await _ask_workers_of_plugins(runtime, here)
    named = storable_text("; ".join(dict.fromkeys(broken)))
    return Check(
        name="plugins",
        ok=not broken,
        message=f"{named}. {_MORE_OF_PLUGINS}" if broken else "",
    )


def _placed(found: FoundPlugin) -> str:
    phases = dict.fromkeys(item.phase for item in found.problems)
    return f"{found.name} ({', '.join(phases)})"


async def _ask_workers_of_plugins(runtime: HostRuntime, here: tuple[FoundPlugin, ...]) -> list[str]:
    try:
        async with asyncio.timeout(_LIMIT_SECONDS), runtime.session_factory() as db:
            live = await workers.list_live_workers(db, expiry=runtime.settings.heartbeat_expiry)
    except (SQLAlchemyError, OSError):
        return []  # the checks of the schema and of the workers say so
    return [
        f"{trouble.plugin} ({trouble.reason.partition(':')[0]}) in worker "
        f"{', '.join(trouble.workers)}"
        for trouble in trouble_in_workers(live, here)
    ]
