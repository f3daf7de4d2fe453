"""Stores many runs of one task in a transaction, and says what is to be delivered after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from ticketgen.database import new_id
from ticketgen.domain import audit, many_runs
from ticketgen.ports import StartContext
from ticketgen.preparing import as_json, prepared, read_request
from ticketgen.queue import Delivery
from ticketgen.registry import RegisteredTask
from ticketgen.settling import moves_to_store

__all__ = ["store_together"]

_STORED_AT_ONCE = 2_000
"""Runs in one statement."""


async def store_together(
    registered: RegisteredTask,
    context: StartContext,
    requests: Sequence[BaseModel | Mapping[str, Any]],
) -> list[Delivery]:
    """Prepare every one, then store them; the audit has one entry for all.

    Raises:
        InvalidInputError: a request does not fit.
        TicketgenError: what the task's own `prepare` refuses.
    """
    task, session, user = registered.task, context.session, context.user
    if not requests:
        return []
    asked = [read_request(task, request) for request in requests]
    payloads = [await prepared(task, context, request) for request in asked]
    run_ids = [new_id() for _ in asked]
    for start in range(0, len(asked), _STORED_AT_ONCE):
        some = slice(start, start + _STORED_AT_ONCE)
        await many_runs.insert_runs(
            context.db,
            many_runs.NewRuns(
                task_type=task.name,
                run_ids=run_ids[some],
                requests=[as_json(request) for request in asked[some]],
                payloads=[as_json(payload) for payload in payloads[some]],
                session_id=session.id if session else None,
                requested_by=user.id if user else None,
                conflict_group=task.conflict_group,
                stage_moves=moves_to_store(task.stages),
            ),
        )
    audit.record(
        context.db,
        "runs.started",
        actor_id=user.id if user else None,
        session_id=session.id if session else None,
        details={
            "task_type": task.name,
            "count": len(run_ids),
            "first": str(run_ids[0]),
            "last": str(run_ids[-1]),
        },
    )
    return [
        Delivery(run_id=run_id, task_type=task.name, delivery=1, job_name=task.job_name)
        for run_id in run_ids
    ]
