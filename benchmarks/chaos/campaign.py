"""One campaign: set up, load and trouble, calm, and what is left to judge."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from benchmarks.chaos.counting import CLIENT_PATIENCE, CountingServer
from benchmarks.chaos.evidence import (
    active_runs,
    read_evidence,
    unannounced_runs,
    worker_connections,
)
from benchmarks.chaos.figures import measure, most_at_once
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.installation import Installation, installation, logging_to
from benchmarks.chaos.journal import Journal
from benchmarks.chaos.load import Load, probe
from benchmarks.chaos.plan import PlannedRun, plan_runs
from benchmarks.chaos.shape import Shape
from benchmarks.chaos.table import Report
from benchmarks.chaos.troubles import Troubles
from benchmarks.chaos.verdict import Case, Travelled, judge
from ticketgen.background import end_tasks
from ticketgen.domain import workers
from ticketgen.errors import TemporaryError
from ticketgen.sample import sample_files

__all__ = ["Campaign"]

_PROBE_SECONDS = 3.0
_PROBE_NUMBERS = 1_000_000
_CALM_WITHIN = 60.0
"""Until every worker is up again after the troubles, and every ending is announced."""


@dataclass(kw_only=True)
class Campaign:
    """A seeded campaign; `run` carries it out and gives the report."""

    shape: Shape
    seed: int
    directory: Path
    """Of the servers' data; empty, and of no use afterwards."""
    logs: Path
    say: Callable[[str], None]
    _journal: Journal = field(default_factory=Journal, init=False)
    _planned: list[PlannedRun] = field(default_factory=list, init=False)
    _failures: list[str] = field(default_factory=list, init=False)
    """What went wrong in this program's own coroutines."""
    _leaked: list[str] = field(default_factory=list, init=False)

    async def run(self) -> Report:
        """Do it all; however it ends, every process is gone afterwards."""
        began = time.monotonic()
        self._planned += plan_runs(self.shape, self._random("plan"))
        counting = CountingServer(self._random("outside"))
        async with (
            logging_to(self.logs / "api.log"),
            counting.serving(),
            installation(self.shape, self.directory, self.logs, outside=counting.url) as place,
        ):
            load = Load(runtime=place.runtime, client=place.client, journal=self._journal)
            fleet = Fleet(
                shape=self.shape,
                environment=place.environment,
                logs=self.logs,
                journal=self._journal,
                randomness=self._random("fleet"),
            )
            async with fleet.running():
                await self._all_up(place, fleet)
                await self._storm(place, fleet, load, counting)
                self.say("every run has had its time; filling every slot once …")
                await self._all_up(place, fleet)
                await self._probe(place, fleet, load)
            self._leaked += fleet.leaked
            return await self._report(place, load, counting, began)

    def _random(self, purpose: str) -> random.Random:
        """One source for each purpose, so that the timing of one does not change the others."""
        return random.Random(f"{self.seed}:{purpose}")

    async def _storm(
        self, place: Installation, fleet: Fleet, load: Load, counting: CountingServer
    ) -> None:
        """Load and trouble at once; then quiet, until everything has ended or time is up."""
        when = self._random("sessions")
        options = {"url": counting.url, "patience": CLIENT_PATIENCE}
        sheets = _smallest(sample_files(), self.shape.sheets)
        work = [asyncio.create_task(load.carry_out(planned)) for planned in self._planned]
        work += [
            asyncio.create_task(
                load.travel(sheets, options, at=when.uniform(0, self.shape.seconds / 3))
            )
            for _ in range(self.shape.sessions)
        ]
        troubles = Troubles(
            shape=self.shape,
            servers=place.servers,
            fleet=fleet,
            runtime=place.runtime,
            journal=self._journal,
            randomness=self._random("troubles"),
        )
        self.say(f"{len(self._planned)} runs and {self.shape.sessions} sessions, and trouble …")
        await troubles.make()
        self.say("the troubles are over; waiting for every run to end …")
        await self._until_settled(place, work)

    async def _until_settled(self, place: Installation, work: Sequence[asyncio.Task[None]]) -> None:
        async def done() -> bool:
            async with place.runtime.session_factory() as db:
                return all(task.done() for task in work) and not await active_runs(db)

        await _until(done, within=self.shape.settle_within)
        for outcome in await end_tasks(*work):
            if isinstance(outcome, Exception):
                self._failures.append(f"this program met {type(outcome).__name__}: {outcome}")

    async def _all_up(self, place: Installation, fleet: Fleet) -> None:
        """Wait until every worker that the fleet runs has said that it lives."""

        async def up() -> bool:
            async with place.runtime.session_factory() as db:
                live = await workers.list_live_workers(
                    db, expiry=place.runtime.settings.heartbeat_expiry
                )
            there = {worker.pid for worker in live}
            return all(post.is_up and post.pid in there for post in fleet.posts)

        if not await _until(up, within=_CALM_WITHIN):
            self._leaked.append("not every worker came back")

    async def _probe(self, place: Installation, fleet: Fleet, load: Load) -> None:
        """Fill every slot once, to see that each is still there."""
        serving = [post for post in fleet.posts if post.plugins in {"", "chaos"}]
        slots = len(serving) * self.shape.max_jobs
        probes = [probe(_PROBE_NUMBERS + number, seconds=_PROBE_SECONDS) for number in range(slots)]
        self._planned += probes
        await asyncio.gather(*(load.carry_out(planned) for planned in probes))
        await self._until_settled(place, [])

        async def announced() -> bool:
            async with place.runtime.session_factory() as db:
                return not await unannounced_runs(db)

        await _until(announced, within=_CALM_WITHIN)
        async with place.runtime.session_factory() as db:
            evidence = await read_evidence(db)
        ids = {load.started[planned.number] for planned in probes}
        attempts = [one for run_id in ids for one in evidence.attempts.get(run_id, ())]
        found = most_at_once(attempts)
        if found < slots:
            self._leaked.append(f"{slots - found} of {slots} slots take no run any more")

    async def _report(
        self, place: Installation, load: Load, counting: CountingServer, began: float
    ) -> Report:
        async with place.runtime.session_factory() as db:
            evidence = await read_evidence(db)
            left = await worker_connections(db)
        if left:
            self._leaked.append(f"{left} connections to Postgres of workers that have ended")
        case = Case(
            planned=self._planned,
            started=load.started,
            journeys=[
                Travelled(
                    session_id=journey.session_id,
                    runs=tuple(journey.runs),
                    is_complete=journey.is_complete,
                )
                for journey in load.journeys
            ],
            evidence=evidence,
            creations=counting.creations,
            silences=self._journal.silences,
        )
        lines = [creation.as_line() for creation in counting.creations]
        (self.logs / "outside.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
        verdict = judge(case, leaked=self._leaked)
        verdict.wrong += self._failures
        return Report(
            seed=self.seed,
            seconds=time.monotonic() - began,
            verdict=verdict,
            figures=measure(evidence, self._journal.silences, self._journal.outages),
            journal=self._journal,
            counting=counting,
        )


async def _until(holds: Callable[[], Awaitable[bool]], *, within: float) -> bool:
    """Whether it comes true in time; a database that is just coming back is asked again."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if await holds():
                return True
        except (DBAPIError, TemporaryError, OSError):
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.2)
    return False


def _smallest(files: dict[str, Any], number: int) -> dict[str, bytes]:
    """So many of the files, the smallest first; all that refer to others need are among them."""
    return dict(sorted(files.items(), key=lambda item: len(item[1]))[:number])
