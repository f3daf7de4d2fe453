from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.core import lab
from ticketgen.domain import tickets
from ticketgen.domain.generated_tickets import GeneratedTicket, PutTickets, put_generated
from ticketgen.domain.sessions import lock_session
from ticketgen.domain.ticket_dependencies import add_dependency, remove_dependency
from ticketgen.domain.tickets import Ticket, TicketDependency
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with lab.open_lab(settings, lab.task("lab.a")) as opened:
        yield opened


def _ticket(key: str, *needs: str, **fields: Any) -> GeneratedTicket:
    usual = {
        "csv_type": "t",
        "entity_group": "g",
        "title": f"Title {key}",
        "description": f"Text {key}.",
        "writer": "template",
    }
    return GeneratedTicket(key=key, depends_on=needs, **(usual | fields))


async def _put(
    runtime: Runtime, session_id: UUID, generated: Sequence[GeneratedTicket], keep: bool = True
) -> PutTickets:
    async with runtime.unit_of_work() as work:
        session = await lock_session(work.db, session_id)
        return await put_generated(work.db, session, generated, keep_edits=keep)


async def _order(runtime: Runtime, session_id: UUID) -> list[str]:
    async with runtime.session_factory() as db:
        found = await tickets.list_tickets(db, session_id)
    assert [ticket.position for ticket in found] == list(range(1, len(found) + 1))
    return [ticket.key for ticket in found]


async def _needs(runtime: Runtime, session_id: UUID) -> set[tuple[str, str]]:
    async with runtime.session_factory() as db:
        keys = {ticket.id: ticket.key for ticket in await tickets.list_tickets(db, session_id)}
        rows = await db.scalars(select(TicketDependency).where(TicketDependency.removed.is_(False)))
        return {(keys[row.ticket_id], keys[row.depends_on_id]) for row in rows}


async def _change(runtime: Runtime, session_id: UUID, change: Any, *keys: str) -> None:
    async with runtime.unit_of_work() as work:
        found = {one.key: one for one in await tickets.list_tickets(work.db, session_id)}
        one, other = (found[key] for key in keys)
        await change(work.db, one, other.id if change is remove_dependency else other)


async def test_dependencies_of_a_person_outlive_a_generation_and_order_the_work(
    runtime: Runtime,
) -> None:
    session_id = await lab.new_session(runtime)
    sheets = [_ticket("a"), _ticket("b", "a"), _ticket("c")]
    await _put(runtime, session_id, sheets)
    await _change(runtime, session_id, add_dependency, "a", "c")
    await _change(runtime, session_id, remove_dependency, "b", "a")

    put = await _put(runtime, session_id, [*sheets, _ticket("d", "b")])

    assert await _needs(runtime, session_id) == {("a", "c"), ("d", "b")}
    assert await _order(runtime, session_id) == ["b", "c", "a", "d"]
    assert (put.inserted, put.updated, put.deleted, put.dependencies) == (1, 3, 0, 2)

    without = [_ticket("a"), _ticket("b"), _ticket("c")]
    await _put(runtime, session_id, without)
    await _put(runtime, session_id, sheets)

    needs = await _needs(runtime, session_id)
    assert needs == {("a", "c"), ("b", "a")}, "a new reference is not the one that was taken away"


async def test_a_dependency_of_a_person_that_the_sheets_turn_round_is_dropped_with_a_note(
    runtime: Runtime,
) -> None:
    session_id = await lab.new_session(runtime)
    await _put(runtime, session_id, [_ticket("a"), _ticket("b"), _ticket("c")])
    await _change(runtime, session_id, add_dependency, "a", "c")

    await _put(runtime, session_id, [_ticket("a"), _ticket("b", "a"), _ticket("c", "b")])

    assert await _needs(runtime, session_id) == {("b", "a"), ("c", "b")}
    async with runtime.session_factory() as db:
        first = (await tickets.list_tickets(db, session_id))[0]
    [note] = first.notes
    assert "“Title c” (c), made by hand, was dropped" in note


async def test_keys_that_make_no_sense_change_nothing(runtime: Runtime) -> None:
    session_id = await lab.new_session(runtime)
    await _put(runtime, session_id, [_ticket("a")])

    with pytest.raises(ValueError, match="same key"):
        await _put(runtime, session_id, [_ticket("a"), _ticket("a")])
    with pytest.raises(ValueError, match="not among the tickets"):
        await _put(runtime, session_id, [_ticket("b", "z")])

    assert await _order(runtime, session_id) == ["a"]


async def test_a_text_that_is_the_same_again_is_no_new_revision(runtime: Runtime) -> None:
    session_id = await lab.new_session(runtime)
    await _put(runtime, session_id, [_ticket("a"), _ticket("b")])

    await _put(runtime, session_id, [_ticket("a"), _ticket("b", description="Other.")])

    async with runtime.session_factory() as db:
        found: list[Ticket] = await tickets.list_tickets(db, session_id)
    assert [(one.key, one.revision, one.description) for one in found] == [
        ("a", 1, "Text a."),
        ("b", 2, "Other."),
    ]
