"""A session in review whose tickets were put there by hand, and how tests change and read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2

from tests.core.api.by_hand import put_stage
from ticketgen.domain.tickets import Ticket, TicketDependency
from ticketgen.testing import Api, start_session

__all__ = ["InReview", "in_review"]


@dataclass(frozen=True, kw_only=True)
class InReview:
    """A session, the ids of its tickets by key, and the routes of its tickets."""

    api: Api
    session_id: str
    ids: dict[str, str]

    def address(self, key: str = "", part: str = "") -> str:
        """The address of all tickets, of one, or of a part of one."""
        parts = [f"/api/sessions/{self.session_id}/tickets", self.ids.get(key, key), part]
        return "/".join(filter(None, parts))

    async def read(self, key: str, part: str = "") -> Any:
        """What GET answers."""
        answer = await self.api.client.get(self.address(key, part))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def edit(self, key: str, revision: int = 1, **fields: Any) -> httpx2.Response:
        """The answer to an edit."""
        return await self.api.client.patch(self.address(key), json={"revision": revision, **fields})

    async def assign(self, **request: Any) -> httpx2.Response:
        """The answer to an assignment."""
        return await self.api.client.post(self.address("assign"), json=request)

    async def move(self, key: str, **where: str) -> httpx2.Response:
        """The answer to a move before or after the ticket of a key."""
        places = {side: self.ids.get(other, other) for side, other in where.items()}
        return await self.api.client.post(self.address(key, "move"), json=places)

    async def depend(self, key: str, needed: str, **more: Any) -> httpx2.Response:
        """The answer to a new dependency."""
        return await self.api.client.post(
            self.address(key, "dependencies"),
            json={"depends_on": self.ids.get(needed, needed), **more},
        )

    async def undepend(self, key: str, needed: str) -> httpx2.Response:
        """The answer to taking a dependency away."""
        return await self.api.client.delete(
            self.address(key, f"dependencies/{self.ids.get(needed, needed)}")
        )

    async def order(self) -> list[str]:
        """The keys in order of work, whose positions must have no gaps."""
        listed = (await self.read(""))["tickets"]
        assert [ticket["position"] for ticket in listed] == list(range(1, len(listed) + 1))
        return [ticket["key"] for ticket in listed]

    async def needs(self, key: str) -> list[str]:
        """The keys of what a ticket depends on."""
        return [link["key"] for link in (await self.read(key))["depends_on"]]

    async def content_revision(self) -> int:
        """How often the tickets of the session were changed."""
        session = await self.api.client.get(f"/api/sessions/{self.session_id}")
        return int(session.json()["content_revision"])

    async def set(self, key: str, **columns: Any) -> None:
        """Let a ticket have these values, as if nobody had edited it."""
        async with self.api.runtime.session_factory() as db:
            ticket = await db.get_one(Ticket, UUID(self.ids[key]))
            for column, value in columns.items():
                setattr(ticket, column, value)
            await db.commit()

    async def link(self, *pairs: tuple[str, str], **columns: Any) -> None:
        """Let tickets need others, as if the sheets said so."""
        async with self.api.runtime.session_factory() as db:
            db.add_all(
                TicketDependency(
                    ticket_id=UUID(self.ids[key]), depends_on_id=UUID(self.ids[needed]), **columns
                )
                for key, needed in pairs
            )
            await db.commit()


async def in_review(api: Api, count: int = 5) -> InReview:
    """A session with the tickets t1, t2 … in this order, as if they had been generated."""
    session_id = await start_session(api)
    await put_stage(api, session_id, "review")
    made = [
        Ticket(
            session_id=UUID(session_id),
            key=f"t{number}",
            csv_type="views" if number > 3 else "bundles",
            entity_group="Even" if number % 2 == 0 else "Odd",
            position=number,
            title=f"Ticket {number}",
            description=f"# About {number}\n\nText\n",
            generated_title=f"Ticket {number}",
            generated_description=f"# About {number}\n\nText\n",
            writer="template",
            sources=[],
            notes=[],
        )
        for number in range(1, count + 1)
    ]
    async with api.runtime.session_factory() as db:
        db.add_all(made)
        await db.commit()
    return InReview(
        api=api, session_id=session_id, ids={ticket.key: str(ticket.id) for ticket in made}
    )
