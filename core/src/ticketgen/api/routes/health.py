"""Whether the system works, and what is missing if it does not."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Literal
from uuid import UUID

import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from ticketgen.api import examples
from ticketgen.api.deps import (
    Credentials,
    CurrentUser,
    Work,
    current_user,
    problem_responses,
)
from ticketgen.api.host import HostRuntime
from ticketgen.discovery import PluginStatus
from ticketgen.domain import workers
from ticketgen.errors import AuthenticationError, TemporaryError
from ticketgen.migrations import SchemaError, require_current_schema

__all__ = ["public", "router"]

public = APIRouter(tags=["health"])
router = APIRouter(tags=["health"])

_log = structlog.get_logger(__name__)


class NoWorkerError(TemporaryError):
    """Nothing of what is started runs until a worker comes."""

    code = "no_worker"


_NEEDED = frozenset({"database", "schema", "redis"})
"""Without these the process cannot serve; without the rest it can, though not everything runs."""

Condition = Literal["healthy", "unhealthy"]


class LiveWorker(BaseModel):
    """One worker process that was heard of lately."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.WORKER]}
    )

    id: UUID
    host: str
    pid: int
    version: str
    task_types: list[str] = Field(description="What it takes.")
    max_jobs: int = Field(description="Runs it executes at once.")
    running: int = Field(description="Runs in its hands.")
    started_at: datetime
    last_seen_at: datetime


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
async def ready(response: Response, runtime: HostRuntime, credentials: Credentials) -> Readiness:
    """Check the database, its schema, Redis, the workers and the plugins.

    Needs a token as long as the database can be asked for it. Workers and plugins that are
    missing make the system degraded, not unready: what is started is stored and runs later.
    """
    database = await _checked("database", _admit(runtime, credentials))
    checks = [
        database,
        await _checked("schema", require_current_schema(runtime.engine)),
        await _checked("redis", runtime.queue.ping()),
        await _checked("workers", _ask_workers(runtime)),
        _plugins(runtime),
    ]
    is_ready = all(check.ok for check in checks if check.name in _NEEDED)
    if not is_ready:
        response.status_code = 503
    return Readiness(ready=is_ready, degraded=not all(check.ok for check in checks), checks=checks)


async def _checked(name: str, asking: Awaitable[object]) -> Check:
    """What came of asking; why nothing answered is for the log, it may name hosts and users."""
    try:
        await asking
    except AuthenticationError:
        raise
    except (SchemaError, NoWorkerError) as error:
        return Check(name=name, ok=False, message=error.message)
    except Exception as error:
        _log.warning("check_failed", check=name, error=f"{type(error).__name__}: {error}"[:300])
        return Check(name=name, ok=False, message="It does not answer; the log says why.")
    return Check(name=name, ok=True)


async def _admit(runtime: HostRuntime, credentials: Credentials) -> None:
    """Ask the database for the caller's token, which also proves that it answers."""
    async with runtime.unit_of_work() as work:
        await current_user(work, credentials)
        await work.db.execute(text("SELECT 1"))


async def _ask_workers(runtime: HostRuntime) -> None:
    async with runtime.session_factory() as db:
        found = await workers.list_live_workers(db, expiry=runtime.settings.heartbeat_expiry)
    if not found:
        raise NoWorkerError("No worker lives; start `ticketgen-worker`.")


def _plugins(runtime: HostRuntime) -> Check:
    broken = [
        f"{found.name}: {found.status}"
        for found in runtime.registry.plugins
        if found.status in {PluginStatus.FAILED, PluginStatus.INCOMPATIBLE}
    ]
    return Check(name="plugins", ok=not broken, message="; ".join(broken))
