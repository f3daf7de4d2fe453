"""The users of the load: a process of its own in which each does what people do, over and over."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from benchmarks.api.wire import Answer, Connection

__all__ = ["Load", "main"]

_STATUS_PAUSE = 2.0
"""Nobody asks for the status of the same run more often."""

_WARM_UP_SECONDS = 2.0
"""What happens before is not counted."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Who does it, where, for how long."""

    host: str
    port: int
    seconds: float
    pause: float
    """Seconds a user looks at an answer, on average; 0: not at all."""
    people: list[dict[str, str]]
    """`token`, `review` and `work` of each."""


@dataclass(kw_only=True)
class _Measured:
    taken: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    from_then: float
    seconds: float = 0.0


@dataclass(kw_only=True)
class _User:
    connection: Connection
    review: str
    work: str
    measured: _Measured
    chance: random.Random
    tickets: list[str] = field(default_factory=list)
    status_at: float = 0.0

    async def timed(self, name: str, method: str, path: str, *, body: Any = None) -> Answer:
        began = time.perf_counter()
        answer = await self.connection.ask(method, path, body=body)
        if began >= self.measured.from_then:
            self.measured.taken[name].append(time.perf_counter() - began)
            if answer.status >= HTTPStatus.BAD_REQUEST:
                self.measured.errors[f"{name}: {answer.status} {answer.body[:200]!r}"] += 1
        return answer

    async def list_sessions(self) -> None:
        await self.timed("list sessions", "GET", "/api/sessions?limit=30")

    async def open_session(self) -> None:
        await self.timed("open session", "GET", f"/api/sessions/{self.review}")

    async def page(self) -> None:
        path = f"/api/sessions/{self.review}/tickets?limit=50"
        answer = await self.timed("tickets page", "GET", path)
        if answer.status == HTTPStatus.OK:
            self.tickets = [ticket["id"] for ticket in answer.json()["tickets"]]

    async def status(self) -> None:
        if time.perf_counter() - self.status_at < _STATUS_PAUSE:
            await self.page()
            return
        self.status_at = time.perf_counter()
        await self.timed("status", "GET", f"/api/adf_validation/status/{self.work}")

    async def edit(self) -> None:
        if not self.tickets:
            await self.page()
            return
        path = f"/api/sessions/{self.review}/tickets/{self.chance.choice(self.tickets)}"
        ticket = (await self.timed("open ticket", "GET", path)).json()
        if "revision" not in ticket:
            return
        edit = {"revision": ticket["revision"], "title": f"Edited {ticket['revision']} times"}
        await self.timed("edit ticket", "PATCH", path, body=edit)

    async def start(self) -> None:
        answer = await self.timed("start task", "POST", f"/api/adf_validation/start/{self.work}")
        run = answer.json().get("task_id")
        if run is None:
            return
        await self.timed("cancel run", "POST", f"/api/runs/{run}/cancel")


_DEEDS: tuple[tuple[Callable[[_User], Awaitable[None]], int], ...] = (
    (_User.list_sessions, 20),
    (_User.open_session, 20),
    (_User.page, 25),
    (_User.status, 20),
    (_User.edit, 10),
    (_User.start, 5),
)
"""What people do, and how often of a hundred times."""


async def _use(load: Load, number: int, measured: _Measured, ends: float) -> None:
    person = load.people[number]
    chance = random.Random(number)
    deeds, weights = zip(*_DEEDS, strict=True)
    async with Connection(host=load.host, port=load.port, token=person["token"]) as connection:
        user = _User(
            connection=connection,
            review=person["review"],
            work=person["work"],
            measured=measured,
            chance=chance,
        )
        await asyncio.sleep(chance.random() * max(load.pause, 0.2))
        while time.perf_counter() < ends:
            await chance.choices(deeds, weights)[0](user)
            if load.pause:
                await asyncio.sleep(chance.expovariate(1 / load.pause))


async def _run(load: Load) -> _Measured:
    began = time.perf_counter()
    measured = _Measured(from_then=began + _WARM_UP_SECONDS)
    ends = began + _WARM_UP_SECONDS + load.seconds
    async with asyncio.TaskGroup() as users:
        for number in range(len(load.people)):
            users.create_task(_use(load, number, measured, ends))
    measured.seconds = time.perf_counter() - measured.from_then
    return measured


def main() -> int:
    """Read the load from the standard input, and write what was measured to the standard output."""
    measured = asyncio.run(_run(Load(**json.load(sys.stdin))))
    json.dump(
        {"taken": measured.taken, "errors": measured.errors, "seconds": measured.seconds},
        sys.stdout,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
