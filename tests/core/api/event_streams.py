"""Clients of server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from ticketgen.testing import LiveApi

__all__ = ["Event", "EventReader", "open_events"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event, or a block that only waits or pings."""

    kind: str | None
    id: str | None
    data: dict[str, Any]
    comment: str | None = None
    retry: str | None = None


@dataclass(kw_only=True)
class EventReader:
    """Reads events off an answer, one after another."""

    response: httpx2.Response
    _lines: AsyncIterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._lines = self.response.aiter_lines()

    async def next(self) -> Event | None:
        """The next block; None at the end of the stream. A test fails without it after a minute."""
        found: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(": ")
                    found[name] = value
                elif found:
                    return Event(
                        kind=found.get("event"),
                        id=found.get("id"),
                        data=json.loads(found.get("data", "{}")),
                        comment=found.get(""),
                        retry=found.get("retry"),
                    )
        return None

    async def next_message(self) -> Event:
        """The next event with a message."""
        while (event := await self.next()) is not None:
            if event.kind is not None:
                return event
        raise AssertionError("the stream has ended")

    async def rest(self) -> list[Event]:
        """All messages to come, until the stream ends."""
        events: list[Event] = []
        while (event := await self.next()) is not None:
            if event.kind is not None:
                events.append(event)
        return events


@asynccontextmanager
async def open_events(
    live: LiveApi, path: str, *, token: str | None = None, **headers: str
) -> AsyncIterator[EventReader]:
    """A client of a stream of events, by default of its owner."""
    fixed = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx2.AsyncClient(base_url=live.url, timeout=60) as client,
        client.stream(
            "GET", path, headers={"Authorization": f"Bearer {token or live.api.token}", **fixed}
        ) as response,
    ):
        yield EventReader(response=response)
