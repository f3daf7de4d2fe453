"""Tells the queue of runs that are due; what it misses, the reconciler tells it later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from ticketgen.domain.task_runs import TaskRun
from ticketgen.queue import Delivery, QueueUnavailableError, RunQueue
from ticketgen.registry import Registry

__all__ = ["deliver", "deliveries_of", "hand_over"]

_log = structlog.get_logger(__name__)


def deliveries_of(runs: Iterable[TaskRun], registry: Registry) -> list[Delivery]:
    """The pushes that the rows ask for; runs of tasks that nobody here brings are left out."""
    return [
        Delivery(
            run_id=run.id,
            task_type=run.task_type,
            delivery=run.delivery,
            job_name=registry.tasks[run.task_type].task.job_name,
            first=run.attempt > 0,
        )
        for run in runs
        if run.task_type in registry.tasks
    ]


async def deliver(queue: RunQueue, runs: Iterable[TaskRun], registry: Registry) -> None:
    """Push runs that are due, as far as the queue can be reached."""
    await hand_over(queue, deliveries_of(runs, registry))


async def hand_over(queue: RunQueue, deliveries: Sequence[Delivery]) -> None:
    """Push deliveries, as far as the queue can be reached."""
    if not deliveries:
        return
    try:
        await queue.push(*deliveries)
    except QueueUnavailableError as error:
        _log.warning("delivery_postponed", runs=len(deliveries), error=error.message)
