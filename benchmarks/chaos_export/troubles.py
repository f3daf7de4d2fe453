"""What is done to a system that exports: processes die, and the stand-in is at its worst."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from benchmarks.chaos.fleet import Fleet, Post
from benchmarks.chaos.troubles import Deck, Troubles
from benchmarks.chaos_export.faults import ATTACH, BULK, CREATE, FACTS, FETCH, LINK, READ, SEARCH
from benchmarks.chaos_export.peers import owner_of
from benchmarks.chaos_export.shape import ExportShape
from benchmarks.chaos_export.site import Site
from ticketgen_export.jira_stub import Fault, FaultKind

__all__ = ["ExportTroubles"]

_AIMS = {
    "create": (CREATE, 6),
    "bulk create": (BULK, 4),
    "attachment": (ATTACH, 3),
    "link": (LINK, 6),
    "search": (SEARCH, 1),
    "read": (READ, 1),
    "read of many": (FETCH, 2),
    "facts": (FACTS, 1),
}
"""Requests that workers are killed in, and how often each is in the deck."""

_AIM_WITHIN = 12.0
"""Seconds in which such a request has to come."""
_HELD = 0.8
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
        # What is no request of an export is rare here: the other program has plenty of it.
        kept = {name: (min(2, number), made) for name, (number, made) in kept.items()}
        aimed: Deck = {
            f"worker killed in a {name}": (number, partial(self._strike, template, Fleet.kill))
            for name, (template, number) in _AIMS.items()
        }
        return (
            kept
            | aimed
            | {
                "worker told to stop in a create": (
                    1,
                    partial(self._strike, CREATE, Fleet.tell_to_stop),
                ),
                "worker frozen in a create": (1, partial(self._freeze_in, CREATE)),
                "worker frozen in a link": (1, partial(self._freeze_in, LINK)),
                "api killed": (2, self._kill_api),
                "jira answers 429 only": (1, self._storm),
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
        """Let such a request be held, and strike the worker that has sent it."""
        post = await self._caught(template)
        if post is None:
            return False
        strike(self.fleet, post)
        return True

    async def _freeze_in(self, template: str) -> bool:
        post = await self._caught(template)
        if post is None:
            return False
        await self.fleet.freeze(post, self.shape.freeze.drawn(self.randomness))
        return True

    async def _caught(self, template: str) -> Post | None:
        """The worker whose request of that kind the stand-in is holding now."""
        kind = self.randomness.choice((FaultKind.SLOW_BEFORE, FaultKind.SLOW_AFTER))
        fault = Fault(kind=kind, on=template, after=timedelta(seconds=_HELD))
        number = await self.site.fail([fault])
        deadline = asyncio.get_running_loop().time() + _AIM_WITHIN
        while asyncio.get_running_loop().time() < deadline and not self.is_over():
            count = (await self.site.counts())[number]
            if count["hits"]:
                owner = owner_of(count["peer"], [post.pid for post in self._up()])
                await asyncio.sleep(self.randomness.uniform(0, _HELD / 2))
                return next((post for post in self._up() if post.pid == owner), None)
            await asyncio.sleep(0.05)
        return None

    def _up(self) -> list[Post]:
        return [post for post in self.fleet.posts if post.is_up]
