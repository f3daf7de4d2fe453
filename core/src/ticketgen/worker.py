"""The worker: arq's `WorkerSettings` built from the installed plugins, and our own `Worker`.

`ticketgen-worker` runs our subclass, which takes only jobs of task types it serves. The plain
`arq ticketgen.worker.WorkerSettings` works too, as long as that worker serves every type: arq's
own worker fails and deletes a job it does not know. A run whose plugin is out of use in its
process it drops unclaimed, and the reconciler delivers it again.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID

import structlog
from arq import Retry, cron, func
from arq.cron import CronJob
from arq.typing import WorkerCoroutine
from arq.worker import Function
from croniter import croniter
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from uuid_utils.compat import uuid7

from ticketgen.arq_worker import Worker
from ticketgen.attached import attached_settings
from ticketgen.database import passes_by_itself
from ticketgen.errors import ConfigurationError, TemporaryError
from ticketgen.leases import LeaseKeeper, WorkerIdentity
from ticketgen.migrations import require_current_schema
from ticketgen.offering import offer_of
from ticketgen.opening import closing_seconds, open_plugins
from ticketgen.plugin import Task
from ticketgen.ports import Role
from ticketgen.queue import connect_arq, deserialize_job, redis_settings, serialize_job
from ticketgen.registry import RegisteredSchedule, Registry, load_registry
from ticketgen.runner import Runner
from ticketgen.runtime import open_runtime
from ticketgen.scheduler import Scheduler
from ticketgen.settings import Settings

__all__ = ["Worker", "WorkerSettings", "build_worker", "build_worker_settings"]  # noqa: F822 - made on access

_log = structlog.get_logger(__name__)

_SETTLE_MARGIN = timedelta(minutes=2)
"""arq's time limit is longer than ours by this much, and by the waiting for a run that has to be
alone, which waits for others itself: the runner's own limit comes first."""

_RETRY_TICK = timedelta(seconds=5)
"""Pause before a schedule that could not start its run tries again."""

_RETRY_CLAIM = timedelta(seconds=2)
"""Pause before a run that the database was too far away for is claimed again."""

_OWN_CLOSING_SECONDS = 14.0
"""What closing takes at most besides the plugins: the last endings, and what keeps runs alive."""

_NEVER = 1_000_000
"""arq's tries: the runner counts them, a redelivery must never be refused."""


def _nothing() -> None:
    """What is called where nobody wants to know."""


def _job_function(task: Task[Any, Any]) -> WorkerCoroutine:
    """A job function of its own for every task, under the name the task declares."""

    async def job(ctx: dict[str, Any], task_id: str) -> None:
        try:
            # Plain arq has no such thing: there a slot is taken until the run is settled.
            await ctx["runner"].run(UUID(task_id), worked=ctx.get("worked", _nothing))
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            if not passes_by_itself(error):
                raise
            # It could not be claimed; taken for done, the whole queue would be emptied like this.
            _log.warning("claim_postponed", run=task_id, error=str(error)[:300])
            raise Retry(defer=_RETRY_CLAIM) from error

    job.__name__ = job.__qualname__ = task.job_name
    return cast("WorkerCoroutine", job)


def _functions(registry: Registry, settings: Settings) -> list[Function]:
    limits = {n: t.task.timeout or settings.job_timeout for n, t in registry.tasks.items()}
    waiting = 2 * max(limits.values(), default=timedelta(0))
    return [
        func(
            _job_function(registered.task),
            name=registered.task.job_name,
            timeout=(limits[name] + waiting + _SETTLE_MARGIN).total_seconds(),
            max_tries=_NEVER,
            keep_result=0,
        )
        for name, registered in registry.tasks.items()
    ]


def _cron_job(registered: RegisteredSchedule) -> CronJob:
    """A tick at each minute at which the schedule may be due; the scheduler decides whether it is.

    The scheduler looks every few seconds all the same, in API and workers: the tick makes it
    punctual, and shows the schedule where arq shows its own.
    """
    schedule = registered.schedule
    minutes, hours, *_ = croniter.expand(schedule.cron)[0]
    in_utc = schedule.zone == "UTC"

    async def tick(ctx: dict[str, Any]) -> None:
        scheduler: Scheduler = ctx["scheduler"]
        try:
            await scheduler.fire_due(only=registered.name)
        except (TemporaryError, DBAPIError, OSError) as error:
            _log.warning("schedule_postponed", schedule=registered.name, error=str(error))
            raise Retry(defer=_RETRY_TICK) from error

    return cron(
        tick,
        name=_schedule_job(registered),
        # Some zones are off by half an hour or a quarter: their minutes are not those of UTC.
        minute=_arq_field(minutes, range(60)) if in_utc else set(range(60)),
        hour=_arq_field(hours, range(24)) if in_utc else set(range(24)),
        second=0,
        max_tries=_NEVER,
        keep_result=0,
        timeout=60,
    )


def _schedule_job(registered: RegisteredSchedule) -> str:
    return f"schedule.{registered.name}"


def _arq_field(values: list[Any], everything: range) -> set[int]:
    return set(everything) if values == ["*"] else {int(value) for value in values}


def narrowed(registry: Registry, plugins: Collection[str]) -> Registry:
    """The registry with the tasks and schedules of these plugins only; of all if none is named.

    The hooks stay those of all plugins: whoever settles a run tells every plugin of it.

    Raises:
        ConfigurationError: one of them is not an active plugin.
    """
    if not plugins:
        return registry
    active = {plugin.name for plugin in registry.active}
    unknown = sorted(set(plugins) - active)
    if unknown:
        raise ConfigurationError(
            f"No active plugin is called {', '.join(unknown)}.",
            recovery_actions=[f"Active are: {', '.join(sorted(active))}."],
        )
    return Registry(
        loaded=tuple(found for found in registry.loaded if found.name in plugins),
        tasks={n: t for n, t in registry.tasks.items() if t.plugin.name in plugins},
        schedules={n: s for n, s in registry.schedules.items() if s.plugin.name in plugins},
        settings=registry.settings,
        hooks=registry.hooks,
        standing=registry.standing,
    )


def served_by(registry: Registry) -> frozenset[str]:
    """What job ids of work for the plugins in use begin with: task types, and their schedules."""
    return frozenset(registry.served) | {_schedule_job(schedule) for schedule in registry.firing}


async def _open_worker(
    ctx: dict[str, Any], settings: Settings, registry: Registry, served: Registry
) -> None:
    """Open what the jobs need, and keep it alive beside them until `_close_worker`."""
    stack = AsyncExitStack()
    ctx["stack"] = stack
    try:
        runtime = await stack.enter_async_context(
            open_runtime(settings, registry=registry, application_name="ticketgen-worker")
        )
        await require_current_schema(runtime.engine)
        only = {found.name for found in served.loaded}
        await stack.enter_async_context(open_plugins(runtime, Role.WORKER, only=only))
        worker = WorkerIdentity(id=uuid7(), max_jobs=settings.max_jobs)
        runner = Runner(runtime, worker_id=worker.id, worker=worker.name)
        keeper = LeaseKeeper(
            settings=settings,
            worker=worker,
            offer=partial(offer_of, served),
            hands=runner.hands,
            settler=runtime.settler,
            told_to_stop_at=ctx.get("told_to_stop_at", lambda: None),
        )
        await stack.enter_async_context(keeper.running())
        await runtime.redis.set("worker:last_startup", datetime.now(UTC).isoformat())
        scheduler = runtime.scheduler()
        await stack.enter_async_context(runtime.reconciling(scheduler))
    except BaseException:
        await stack.aclose()
        raise
    ctx["runtime"] = runtime
    ctx["scheduler"] = scheduler
    ctx["runner"] = runner
    ctx["async_session"] = runtime.session_factory
    ctx["db_engine"] = runtime.engine
    _log.info("worker_started", worker=str(worker.id), tasks=sorted(served.served))


async def _close_worker(ctx: dict[str, Any]) -> None:
    await ctx["stack"].aclose()
    _log.info("worker_stopped")


def build_worker_settings(
    settings: Settings | None = None, *, plugins: Collection[str] = ()
) -> type[Any]:
    """Arq's `WorkerSettings` for the installed plugins, or for those that are named.

    Everything stands in the class's own `__dict__`, the only place where arq looks.

    Raises:
        ConfigurationError: a setting, a plugin, the database or Redis is missing or wrong.
    """
    settings = settings or attached_settings()
    registry = load_registry(settings, lazily=True)
    served = narrowed(registry, plugins)

    async def on_startup(ctx: dict[str, Any]) -> None:
        await _open_worker(ctx, settings, registry, served)

    return type(
        "WorkerSettings",
        (),
        {
            "__doc__": "Built from the installed plugins.",
            "functions": _functions(served, settings),
            "cron_jobs": [_cron_job(schedule) for schedule in served.schedules.values()],
            "on_startup": on_startup,
            "on_shutdown": _close_worker,
            "redis_settings": redis_settings(settings),
            "max_jobs": settings.max_jobs,
            "job_timeout": settings.job_timeout.total_seconds(),
            "max_tries": _NEVER,
            "keep_result": 0,
            "poll_delay": 0.1,
            "timezone": UTC,
            "job_serializer": serialize_job,
            "job_deserializer": deserialize_job,
            "log_results": False,
            "served": partial(served_by, served),
            "job_names": {name: t.task.job_name for name, t in served.tasks.items()},
            "shutdown_limit": _OWN_CLOSING_SECONDS + closing_seconds(settings),
        },
    )


def build_worker(
    settings: Settings | None = None, *, plugins: Collection[str] = (), burst: bool = False
) -> Worker:
    """Our worker, ready to `run()`; it must be built where its event loop is current.

    Raises:
        ConfigurationError: as `build_worker_settings`.
    """
    settings = settings or attached_settings()
    worker_settings = build_worker_settings(settings, plugins=plugins)
    arguments = {k: v for k, v in vars(worker_settings).items() if not k.startswith("__")}
    functions = arguments.pop("functions")
    if not functions and not arguments["cron_jobs"]:
        raise ConfigurationError(
            "No active plugin brings a task: there is nothing to work on.",
            recovery_actions=["Install a plugin, or see `ticketgen plugins` for what failed."],
        )
    worker = Worker(
        functions,
        burst=burst,
        job_completion_wait=settings.shutdown_grace.total_seconds(),
        redis_pool=connect_arq(settings),
        **arguments,
    )
    worker.may_take = lambda: worker.ctx["runner"].may_take()
    worker.ctx["told_to_stop_at"] = lambda: worker.told_to_stop_at
    return worker


def __getattr__(name: str) -> Any:
    """Build `WorkerSettings` when arq asks for it, so that importing needs no environment."""
    if name == "WorkerSettings":
        return build_worker_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
