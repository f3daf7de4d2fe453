"""A stranger's plugin with one task that does nothing, or sleeps, for a benchmark to count.

Its text is installed as the distribution `ticketgen-queues`; of the host it sees the public
surface only.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from benchmarks.queues.peers.station import do
from ticketgen import (
    Caller,
    Exclusivity,
    Plugin,
    StartContext,
    Subject,
    Task,
    TaskContext,
    hookimpl,
)

__all__ = ["TASK", "QueuesRequest", "ticketgen_plugin"]

TASK = "queues.job"
"""The type of its task."""


class QueuesRequest(BaseModel):
    """What one run is to do; request and payload."""

    sent: int = 0
    """When it was started, by the clock of this machine that is never set; 0: nobody asks."""
    seconds: float = 0.0
    progress: bool = False


async def prepare(start: StartContext, request: QueuesRequest) -> QueuesRequest:
    """Every request is fine."""
    return request


async def work(ctx: TaskContext, payload: QueuesRequest) -> dict[str, Any]:
    """Be counted."""
    if payload.progress:
        await ctx.progress(50, "Half of nothing")
    await do(payload.sent, payload.seconds)
    return {}


@hookimpl
def ticketgen_plugin() -> Plugin:
    """One task."""
    return Plugin(
        name="queues",
        summary="Does nothing, often.",
        tasks=(
            Task(
                name=TASK,
                summary="Does nothing.",
                request=QueuesRequest,
                payload=QueuesRequest,
                prepare=prepare,
                handler=work,
                job_name="queues_job",
                subject=Subject.NONE,
                exclusivity=Exclusivity.NONE,
                startable_by=Caller.ADMIN,
                timeout=timedelta(minutes=30),
            ),
        ),
    )
