"""Counting: the public side validates and starts, the internal side counts and stores."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ticketgen import StartContext, StartedRun, Starter, TaskContext
from ticketgen.domain import tickets
from ticketgen.domain.users import User
from ticketgen_tally import counts
from ticketgen_tally.errors import NoTicketsError
from ticketgen_tally.estimating import Scale
from ticketgen_tally.schemas import CountPayload, TallySummary

__all__ = ["TallyService", "count_and_store", "prepare_count"]


class TallyService:
    """Starts counts."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    async def count(self, session_id: UUID, *, user: User | None) -> StartedRun:
        """Count a session's tickets.

        Raises:
            TicketgenError: as `prepare_count`, or what the session's state refuses.
        """
        return await self._starter.start("tally", session_id=session_id, user=user)


async def prepare_count(start: StartContext) -> CountPayload:
    """The scale that holds now.

    Raises:
        NoTicketsError: the session has none.
    """
    if not await tickets.count_by_group(start.db, start.require_session().id):
        raise NoTicketsError(
            "The session has no tickets to count.",
            recovery_actions=["Generate them with POST /api/processing/start/{session_id}."],
        )
    return CountPayload(words_per_point=start.settings.words_per_point)


async def count_and_store(ctx: TaskContext, payload: CountPayload) -> TallySummary:
    """Count the session's tickets and store the estimates in the place of older ones."""
    assert isinstance(ctx.state, Scale)
    scale = Scale(words_per_point=payload.words_per_point, ignored=ctx.state.ignored)

    async def count() -> list[dict[str, Any]]:
        return await _counted(ctx, scale)

    counted = await ctx.step("counted", count)
    async with ctx.transaction() as db:
        await counts.replace_counts(db, ctx.session_id, counted)
    return TallySummary(
        tickets=len(counted),
        words=sum(row["words"] for row in counted),
        points=sum(row["points"] for row in counted),
    )


async def _counted(ctx: TaskContext, scale: Scale) -> list[dict[str, Any]]:
    async with ctx.transaction() as db:
        found = await tickets.list_tickets(db, ctx.session_id)
    rows: list[dict[str, Any]] = []
    for number, ticket in enumerate(found):
        await ctx.progress(100 * number / len(found), "Counting words", counted=number)
        await ctx.checkpoint()
        words = scale.words(ticket.description)
        rows.append(
            {
                "ticket_key": ticket.key,
                "csv_type": ticket.csv_type,
                "words": words,
                "points": scale.points(words),
            }
        )
    return rows
