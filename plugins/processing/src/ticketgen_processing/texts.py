"""Texts that were paid for, what they have cost, and what may still be spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import RunIdentity
from ticketgen.provides import Brief, Component, SheetRow, Usage, WrittenText
from ticketgen_processing.stored import StoredText, WriterUsage

__all__ = [
    "UsageSum",
    "digest_of_brief",
    "known_digests",
    "known_texts",
    "limit_of",
    "note_usage",
    "put_text",
    "spent",
    "usage_by_model",
]


_TOTAL = func.coalesce(func.sum(WriterUsage.cost), 0)


@dataclass(frozen=True, kw_only=True)
class UsageSum:
    """What one model has used up in a session."""

    writer: str
    model: str
    texts: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    """US dollars, as far as prices are known."""
    unpriced: int
    """Texts whose price nobody knows."""


def digest_of_brief(writer: str, version: str, brief: Brief) -> str:
    """Equal as long as every fact is the same that a text would be written from.

    Numbers of rows and names of files are none: a row that is inserted above changes no text.
    """
    facts = {
        "writer": [writer, version],
        "site": [brief.site.project_name, brief.site.description],
        "component": _facts(brief.component),
        "related": [[one.key, one.title, one.text("Description")] for one in brief.related],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _facts(component: Component) -> list[Any]:
    def cells(row: SheetRow) -> dict[str, str]:
        return row.filled

    return [
        component.key,
        component.label,
        component.title,
        component.qualifier,
        cells(component.row) if component.row is not None else None,
        [[table.heading, [cells(row) for row in table.rows]] for table in component.tables],
        [[listed.heading, [link.title for link in listed.links]] for listed in component.lists],
        [link.title for link in component.depends_on],
    ]


async def known_texts(db: AsyncSession, session_id: UUID) -> dict[str, WrittenText]:
    """Digest → text, of everything that was paid for in the session."""
    rows = await db.execute(
        select(StoredText.digest, StoredText.text).where(StoredText.session_id == session_id)
    )
    return {digest: _text(stored) for digest, stored in rows}


def _text(stored: Mapping[str, Any]) -> WrittenText:
    return WrittenText(
        user_story=stored["user_story"],
        success_criteria=tuple(stored["success_criteria"]),
        notes=tuple(stored["notes"]),
    )


async def known_digests(db: AsyncSession, session_id: UUID) -> frozenset[str]:
    """Of everything that was paid for in the session."""
    return frozenset(
        await db.scalars(select(StoredText.digest).where(StoredText.session_id == session_id))
    )


async def put_text(db: AsyncSession, *, session_id: UUID, digest: str, text: WrittenText) -> None:
    """Keep a text, in the place of an earlier one from the same facts."""
    value = {
        "user_story": text.user_story,
        "success_criteria": list(text.success_criteria),
        "notes": list(text.notes),
    }
    await db.execute(
        insert(StoredText)
        .values(session_id=session_id, digest=digest, text=value)
        .on_conflict_do_update(index_elements=["session_id", "digest"], set_={"text": value})
    )


async def note_usage(
    db: AsyncSession,
    *,
    run: RunIdentity,
    usage_id: UUID,
    ticket_key: str,
    writer: str,
    usage: Usage,
) -> None:
    """Keep what a text has used up, also one that was not good enough; once for each id."""
    await db.execute(
        insert(WriterUsage)
        .values(
            id=usage_id,
            session_id=run.session_id,
            run_id=run.id,
            ticket_key=ticket_key,
            writer=writer,
            model=usage.model[:100],
            requests=usage.requests,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost=usage.cost,
        )
        .on_conflict_do_nothing()
    )


async def spent(db: AsyncSession, session_id: UUID) -> Decimal:
    """What the writers of a session have cost so far, in US dollars, as far as prices are known."""
    total = await db.scalar(select(_TOTAL).where(WriterUsage.session_id == session_id))
    return Decimal(total or 0)


async def limit_of(
    db: AsyncSession, run: RunIdentity, *, settled: Decimal, asked: Decimal | None
) -> Decimal:
    """What a session may have cost when the run ends: as the operator says, or less if asked.

    What is asked for is meant for the run: an attempt after a killed one has what is left of it.
    """
    if asked is None or run.session_id is None:
        return settled
    by_run = await db.scalar(select(_TOTAL).where(WriterUsage.run_id == run.id))
    before = await spent(db, run.session_id) - Decimal(by_run or 0)
    return min(settled, before + asked)


async def usage_by_model(db: AsyncSession, session_id: UUID) -> Sequence[UsageSum]:
    """What each writer and model has used up in a session, the dearest first."""
    rows = await db.execute(
        select(
            WriterUsage.writer,
            WriterUsage.model,
            func.count(),
            func.sum(WriterUsage.requests),
            func.sum(WriterUsage.input_tokens),
            func.sum(WriterUsage.output_tokens),
            _TOTAL,
            func.count().filter(WriterUsage.cost.is_(None)),
        )
        .where(WriterUsage.session_id == session_id)
        .group_by(WriterUsage.writer, WriterUsage.model)
        .order_by(_TOTAL.desc(), WriterUsage.writer, WriterUsage.model)
    )
    return [
        UsageSum(
            writer=row[0],
            model=row[1],
            texts=int(row[2]),
            requests=int(row[3]),
            input_tokens=int(row[4]),
            output_tokens=int(row[5]),
            cost=Decimal(row[6] or 0),
            unpriced=int(row[7]),
        )
        for row in rows
    ]
