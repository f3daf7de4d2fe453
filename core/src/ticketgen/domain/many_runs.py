"""Stores many runs of one task by one statement: those that no other run may exclude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.task_runs import TaskRun

__all__ = ["NewRuns", "insert_runs"]


@dataclass(frozen=True, kw_only=True)
class NewRuns:
    """What many runs of one task start from; the three sequences are of one length."""

    task_type: str
    run_ids: Sequence[UUID]
    payloads: Sequence[str]
    """JSON texts."""
    requests: Sequence[str]
    """JSON texts."""
    session_id: UUID | None = None
    requested_by: UUID | None = None
    conflict_group: str | None = None
    stage_moves: Mapping[str, Any] | None = None


def _statement() -> Any:
    given = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid)),
            bindparam("payloads", type_=ARRAY(Text)),
            bindparam("requests", type_=ARRAY(Text)),
        )
        .table_valued(column("id", Uuid), column("payload", Text), column("request", Text))
        .render_derived("given")
    )
    # Written out, since each run is its own lineage, and excludes nobody.
    values = {
        "id": given.c.id,
        "lineage_id": given.c.id,
        "task_type": bindparam("task_type", type_=String),
        "payload": cast(given.c.payload, JSONB),
        "request": cast(given.c.request, JSON),
        "exclusivity_key": func.concat(
            bindparam("task_type", type_=String), ":", cast(given.c.id, Text)
        ),
        "session_id": bindparam("session_id", type_=Uuid),
        "requested_by": bindparam("requested_by", type_=Uuid),
        "conflict_group": bindparam("conflict_group", type_=String),
        "stage_moves": bindparam("stage_moves", type_=JSONB(none_as_null=True)),
    }
    rows = select(*values.values()).order_by(given.c.id)  # ids sort by the time they were made
    table = TaskRun.__table__  # not the class: its parameters would be taken for rows
    assert isinstance(table, Table)  # noqa: S101 - narrows the type for the checker
    return insert(table).from_select(list(values), rows)


_INSERT = _statement()


async def insert_runs(db: AsyncSession, new: NewRuns) -> None:
    """Store runs, queued and due at once, in the order in which they are given."""
    await db.execute(
        _INSERT,
        {
            "ids": list(new.run_ids),
            "payloads": list(new.payloads),
            "requests": list(new.requests),
            "task_type": new.task_type,
            "session_id": new.session_id,
            "requested_by": new.requested_by,
            "conflict_group": new.conflict_group,
            "stage_moves": None if new.stage_moves is None else dict(new.stage_moves),
        },
    )
