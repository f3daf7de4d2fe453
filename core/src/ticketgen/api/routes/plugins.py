"""What is installed, what it adds, and why something is not in use."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api import examples
from ticketgen.api.deps import CurrentUser, problem_responses
from ticketgen.api.host import HostRuntime
from ticketgen.discovery import FoundPlugin, PluginStatus
from ticketgen.plugin import Subject

__all__ = ["PluginView", "describe", "router"]

router = APIRouter(prefix="/api/plugins", tags=["plugins"])


class ProblemView(BaseModel):
    """One thing that is wrong with a plugin."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PLUGIN_PROBLEM]})

    phase: str
    message: str
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
    routes: list[str] = Field(default=[], description="`METHOD /path` of its own routes.")
    channels: list[str] = Field(default=[], description="Progress channels.")
    provides: list[str] = Field(default=[], description="`Kind name` of every other value.")
    problems: list[ProblemView] = []


def describe(found: FoundPlugin) -> PluginView:
    """What a listing says of a plugin."""
    view = PluginView(
        name=found.name,
        distribution=found.distribution,
        version=found.version,
        status=found.status,
        problems=[
            ProblemView(phase=item.phase, message=item.message, remedy=item.remedy)
            for item in found.problems
        ],
    )
    plugin = found.plugin
    if plugin is None:
        return view
    routes = plugin.router.routes if plugin.router is not None else []
    return view.model_copy(
        update={
            "summary": plugin.summary,
            "tasks": [task.name for task in plugin.tasks],
            "schedules": [f"{item.name}: {item.cron} {item.zone}" for item in plugin.schedules],
            "routes": [
                f"{method} /api/{plugin.name}{route.path}"
                for route in routes
                if isinstance(route, APIRoute)
                for method in sorted(route.methods or ())
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


@router.get("", responses=problem_responses())
async def list_plugins(runtime: HostRuntime, user: CurrentUser) -> list[PluginView]:
    """List every installed plugin with its status."""
    return [describe(found) for found in runtime.registry.plugins]
