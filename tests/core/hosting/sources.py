"""Sources of plugins that live in a process: with a lifespan, a task, hooks."""

from __future__ import annotations

import sys
from typing import Any

from tests.core.plugin_sources import plugin_source
from ticketgen.testing import InstalledPlugin

_LIFESPAN = """
import asyncio
import sys
from contextlib import asynccontextmanager

LOG = []
BROKEN = False


@asynccontextmanager
async def lifespan(host):
    task = asyncio.current_task()
{enter}
    LOG.append(("open", host.role))
    try:
        yield {state!r}
    finally:
        LOG.append(("close", asyncio.current_task() is task))
{leave}
"""


def living_source(
    name: str, *, enter: str = "pass", leave: str = "pass", state: str = "ready", more: str = ""
) -> str:
    """A plugin with a task and a lifespan that does these statements on its way in and out."""
    lifespan = _LIFESPAN.format(enter=f"    {enter}", leave=f"        {leave}", state=state)
    handler = "\nasync def tell_state(ctx, payload):\n    return {'state': ctx.state}\n"
    return plugin_source(
        name,
        before=lifespan + handler,
        more=more,
        lifespan="lifespan",
        tasks=f"(task({name!r}, handler=tell_state),)",
    )


HEARING = """
CALLS = []
FAIL = False
GO_ON = None


@hookimpl
async def ticketgen_run_settled(host, run):
    CALLS.append((run.id, run.task_type, run.status, host.role))
    if GO_ON is not None:
        await GO_ON.wait()
    if FAIL:
        raise RuntimeError("nobody listens")
"""
"""A hook that notes who called it; by its module's variables it waits, or fails."""


def module_of(plugin: InstalledPlugin) -> Any:
    """The plugin's module, as the host has imported it."""
    return sys.modules[plugin.module]
