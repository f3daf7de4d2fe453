"""What is installed, what it adds, and why something is not in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api import examples
from ticketgen.api.deps import CurrentUser, problem_responses
from ticketgen.api.host import HostRuntime
from ticketgen.discovery import FoundPlugin, PluginStatus
from ticketgen.domain.workers import WorkerProcess
from ticketgen.lazy import loaded
from ticketgen.plugin import Plugin, Subject

__all__ = [
    "PluginView",
    "WorkerTrouble",
    "describe",
    "router",
    "trouble_in_workers",
]

router = APIRouter(prefix="/api/plugins", tags=["plugins"])


class ProblemView(BaseModel):
    """One thing that is wrong with a plugin."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PLUGIN_PROBLEM]})

    phase: str
    message: str = Field(
        description="For administrators in full; of what the plugin's own code raised, others are "
        "told the type alone."
    )
    remedy: str


class PluginView(BaseModel):
    """One installed plugin."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PLUGIN]})

    name: str
    distribution: str
    version: str
    status: PluginStatus
    summary: str = ""
    tasks: list[str] = Field(default=[], description="Task types.")
    schedules: list[str] = Field(default=[], description="`name: cron zone`.")
    routes: list[str] = Field(
        default=[],
        description="`METHOD /path` of its own routes, after `public: ` where no token is needed.",
    )
    channels: list[str] = Field(default=[], description="Progress channels.")
    provides: list[str] = Field(default=[], description="`Kind name` of every other value.")
    problems: list[ProblemView] = []


def describe(found: FoundPlugin, *, in_full: bool = True) -> PluginView:
    """What a listing says of a plugin; in full for those who run the host."""
    view = PluginView(
        name=found.name,
        distribution=found.distribution,
        version=found.version,
        status=found.status,
        problems=[
            ProblemView(
                phase=item.phase,
                message=item.message if in_full else item.brief,
                remedy=item.remedy,
            )
            for item in found.problems
        ],
    )
    plugin = found.plugin
    if plugin is None:
        return view
    return view.model_copy(
        update={
            "summary": plugin.summary,
            "tasks": [task.name for task in plugin.tasks],
            "schedules": [f"{item.name}: {item.cron} {item.zone}" for item in plugin.schedules],
            "routes": [
                *_routes(plugin, loaded(plugin.router)),
                *(f"public: {route}" for route in _routes(plugin, loaded(plugin.public_router))),
            ],
            "channels": [
                f"progress:{{{'session_id' if task.subject is Subject.SESSION else 'task_id'}}}"
                f":{task.name}"
                for task in plugin.tasks
            ],
            "provides": [
                f"{type(value).__name__} {getattr(value, 'name', '')}".strip()
                for value in plugin.provides
            ],
        }
    )


def _routes(plugin: Plugin, own: APIRouter | None) -> Iterator[str]:
    for context in iter_route_contexts(own.routes if own is not None else []):
        for method in sorted(context.methods or ()):
            yield f"{method} /api/{plugin.name}{context.path}"


class WorkerTrouble(BaseModel):
    """A plugin that is out of use in some workers, though not for the same reason here."""

    plugin: str
    reason: str
    """As `Problem.reason` says it."""
    workers: list[str]
    """Host and process id of each."""


def trouble_in_workers(
    workers: Iterable[WorkerProcess], here: Iterable[FoundPlugin]
) -> list[WorkerTrouble]:
    """What live workers report as failed, beside what this process knows by itself."""
    known = {(found.name, item.reason) for found in here for item in found.problems}
    where: dict[tuple[str, str], list[str]] = {}
    for worker in workers:
        for plugin, reason in worker.failed.items():
            if (plugin, reason) not in known:
                where.setdefault((plugin, reason), []).append(f"{worker.host}:{worker.pid}")
    return [
        WorkerTrouble(plugin=plugin, reason=reason, workers=names)
        for (plugin, reason), names in sorted(where.items())
    ]


@router.get("", responses=problem_responses())
async def list_plugins(runtime: HostRuntime, user: CurrentUser) -> list[PluginView]:
    """List every installed plugin with its status, and what is wrong with it."""
    return [describe(found, in_full=user.is_admin) for found in runtime.registry.plugins]
