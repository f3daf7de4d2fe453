"""One campaign: set up, load and trouble, calm, and what is left to judge."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.chaos.calm import all_ended, all_up, probe_slots
from benchmarks.chaos.counting import CLIENT_PATIENCE, CountingServer
from benchmarks.chaos.evidence import read_evidence, worker_connections
from benchmarks.chaos.figures import measure
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.installation import Installation, installation, logging_to
from benchmarks.chaos.journal import Journal
from benchmarks.chaos.load import Load
from benchmarks.chaos.plan import PlannedRun, plan_runs
from benchmarks.chaos.shape import Shape
from benchmarks.chaos.table import Report
from benchmarks.chaos.troubles import Troubles
from benchmarks.chaos.verdict import Case, Travelled, judge
from ticketgen.background import end_tasks
from ticketgen.sample import sample_files

__all__ = ["Campaign"]


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
                self._leaked += await all_up(place, fleet)
                await self._storm(place, fleet, load, counting)
                self.say("every run has had its time; filling every slot once …")
                self._leaked += await all_up(place, fleet)
                probes, lost = await probe_slots(place, fleet, load)
                self._planned += probes
                self._leaked += lost
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
        await all_ended(place, work, within=self.shape.settle_within)
        for outcome in await end_tasks(*work):
            if isinstance(outcome, Exception):
                self._failures.append(f"this program met {type(outcome).__name__}: {outcome}")

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


def _smallest(files: dict[str, Any], number: int) -> dict[str, bytes]:
    """So many of the files, the smallest first; all that refer to others need are among them."""
    return dict(sorted(files.items(), key=lambda item: len(item[1]))[:number])
