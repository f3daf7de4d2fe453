"""What is done to a system that exports: processes die, and the stand-in is at its worst."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from benchmarks.chaos.fleet import Fleet, Post
from benchmarks.chaos.troubles import Deck, Troubles
from benchmarks.chaos_export.faults import ATTACH, BULK, CREATE, FACTS, LINK, READ, SEARCH
from benchmarks.chaos_export.shape import ExportShape
from benchmarks.chaos_export.site import Site
from ticketgen.domain.run_attempts import RunAttempt
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen_export.jira_stub import Fault, FaultKind

__all__ = ["ExportTroubles"]

_AIMS = {
    "create": (CREATE, 5),
    "bulk create": (BULK, 3),
    "attachment": (ATTACH, 3),
    "link": (LINK, 4),
    "search": (SEARCH, 2),
    "read": (READ, 2),
    "facts": (FACTS, 1),
}
"""Requests that workers are killed in, and how often each is in the deck."""

_AIM_WITHIN = 12.0
"""Seconds in which such a request has to come."""
_HELD = 1.0
"""For so long the stand-in holds the request: before its work, or after it."""


@dataclass(kw_only=True)
class ExportTroubles(Troubles):
    """The usual troubles, and those of an export."""

    export: ExportShape
    site: Site
    api: Fleet

    def deck(self) -> Deck:
        """Every trouble there is; deliveries are lost and doubled by the other program."""
        usual = super().deck()
        kept = {name: made for name, made in usual.items() if not name.startswith("deliveries")}
        aimed: Deck = {
            f"workers killed in a {name}": (number, partial(self._strike, template, Fleet.kill))
            for name, (template, number) in _AIMS.items()
        }
        return (
            kept
            | aimed
            | {
                "workers told to stop in a create": (
                    1,
                    partial(self._strike, CREATE, Fleet.tell_to_stop),
                ),
                "workers frozen in a create": (1, partial(self._freeze_in, CREATE)),
                "workers frozen in a link": (1, partial(self._freeze_in, LINK)),
                "api killed": (3, self._kill_api),
                "jira answers 429 only": (2, self._storm),
            }
        )

    async def _kill_api(self) -> bool:
        [post] = self.api.posts
        if not post.is_up:
            return False
        self.api.kill(post)
        return True

    async def _storm(self) -> bool:
        await self.site.fail(
            [
                Fault(
                    kind=FaultKind.TOO_MANY_REQUESTS,
                    on="*",
                    times=self.export.storm,
                    after=timedelta(seconds=1),
                )
            ]
        )
        return True

    async def _strike(self, template: str, strike: Callable[[Fleet, Post], None]) -> bool:
        """Let such a request be held, and strike everybody who is at work on an export then."""
        if not await self._held(template):
            return False
        struck = await self._at_work()
        for post in struck:
            strike(self.fleet, post)
        return bool(struck)

    async def _freeze_in(self, template: str) -> bool:
        if not await self._held(template):
            return False
        seconds = self.shape.freeze.drawn(self.randomness)
        freezing: list[Awaitable[None]] = [
            self.fleet.freeze(post, seconds) for post in await self._at_work()
        ]
        await asyncio.gather(*freezing)
        return bool(freezing)

    async def _held(self, template: str) -> bool:
        """Whether the stand-in holds such a request now."""
        kind = self.randomness.choice((FaultKind.SLOW_BEFORE, FaultKind.SLOW_AFTER))
        fault = Fault(kind=kind, on=template, after=timedelta(seconds=_HELD))
        number = await self.site.fail([fault])
        deadline = asyncio.get_running_loop().time() + _AIM_WITHIN
        while asyncio.get_running_loop().time() < deadline and not self.is_over():
            if (await self.site.counts())[number]["hits"]:
                await asyncio.sleep(self.randomness.uniform(0, _HELD / 2))
                return True
            await asyncio.sleep(0.05)
        return False

    async def _at_work(self) -> list[Post]:
        """The workers that have an export in hand."""
        async with self.runtime.session_factory() as db:
            names = await db.scalars(
                select(RunAttempt.worker)
                .join(TaskRun, TaskRun.id == RunAttempt.run_id)
                .where(
                    TaskRun.task_type == "export",
                    TaskRun.state == RunState.RUNNING,
                    RunAttempt.ended_at.is_(None),
                )
            )
            pids = {int(name.rpartition(":")[2]) for name in names}
        return [post for post in self.fleet.posts if post.is_up and post.pid in pids]
