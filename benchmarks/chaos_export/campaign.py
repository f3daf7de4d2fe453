"""One campaign on exports: prepare in peace, export in a storm, and judge when it is calm."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.chaos.calm import all_ended, all_up, probe_slots
from benchmarks.chaos.evidence import Evidence, read_evidence, worker_connections
from benchmarks.chaos.installation import installation, logging_to
from benchmarks.chaos.journal import Journal
from benchmarks.chaos.verdict import broken_rows
from benchmarks.chaos_export.evidence import read_sessions, unknown_effects
from benchmarks.chaos_export.faults import background_faults
from benchmarks.chaos_export.journeys import ExportJourney
from benchmarks.chaos_export.plan import PEOPLE, PlannedExport, plan_exports
from benchmarks.chaos_export.scene import Scene, opened_scene
from benchmarks.chaos_export.shape import ExportShape
from benchmarks.chaos_export.site import serving_site
from benchmarks.chaos_export.table import ExportReport
from benchmarks.chaos_export.troubles import ExportTroubles
from benchmarks.chaos_export.verdict import ExportCase, ExportVerdict, judge_exports
from ticketgen.background import end_tasks

__all__ = ["ExportCampaign"]

_EXPORT = "export"


@dataclass(kw_only=True)
class ExportCampaign:
    """A seeded campaign; `run` carries it out and gives the report."""

    shape: ExportShape
    seed: int
    directory: Path
    """Of the servers' data; empty, and of no use afterwards."""
    logs: Path
    say: Callable[[str], None]
    _journal: Journal = field(default_factory=Journal, init=False)
    _journeys: list[ExportJourney] = field(default_factory=list, init=False)
    _failures: list[str] = field(default_factory=list, init=False)
    _leaked: list[str] = field(default_factory=list, init=False)
    _faults: Counter[str] = field(default_factory=Counter, init=False)
    _storm_seconds: float = field(default=0.0, init=False)

    async def run(self) -> ExportReport:
        """Do it all; however it ends, every process is gone afterwards."""
        began = time.monotonic()
        planned = plan_exports(self.shape, self.seed)
        projects = sorted({one.project for one in planned})
        async with (
            logging_to(self.logs / "program.log"),
            serving_site(projects, seed=self.seed, logs=self.logs) as site,
            installation(self.shape.host, self.directory, self.logs, outside=site.url) as place,
        ):
            await site.add_accounts(PEOPLE)
            async with opened_scene(
                self.shape, place, site, journal=self._journal, randomness=self._random("fleet")
            ) as scene:
                self._leaked += await all_up(place, scene.workers)
                await self._prepare(scene, planned)
                await self._storm(scene)
                self._leaked += await all_up(place, scene.workers)
                _, lost = await probe_slots(place, scene.workers, scene.load)
                self._leaked += lost
            self._leaked += [*scene.workers.leaked, *scene.api.leaked]
            return await self._report(scene, began)

    def _random(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}:{purpose}")

    async def _prepare(self, scene: Scene, planned: Sequence[PlannedExport]) -> None:
        self.say(f"{len(planned)} sessions are generated, edited and validated …")
        await scene.traveller.connect()
        self._journeys += await asyncio.gather(*(scene.traveller.prepare(one) for one in planned))

    async def _storm(self, scene: Scene) -> None:
        """Exports and trouble at once; then quiet, until every export is complete or time is up."""
        began = time.monotonic()
        await scene.site.behave(index_lag=self.shape.index_lag, latency_max=self.shape.latency)
        await scene.site.fail(background_faults(self.shape))
        work = [asyncio.create_task(scene.traveller.export(journey)) for journey in self._journeys]
        troubles = ExportTroubles(
            shape=self.shape.host,
            servers=scene.place.servers,
            fleet=scene.workers,
            runtime=scene.place.runtime,
            journal=self._journal,
            randomness=self._random("troubles"),
            is_over=lambda: all(task.done() for task in work),
            export=self.shape,
            site=scene.site,
            api=scene.api,
        )
        self.say(f"{len(work)} exports, and trouble …")
        await troubles.make()
        self.say("the troubles are over; waiting for every export …")
        for count in await scene.site.counts():
            self._faults[f"{count['fault']['kind']} {count['fault']['on']}"] += count["hits"]
        await scene.site.recover()
        await all_ended(scene.place, work, within=self.shape.host.settle_within)
        self._storm_seconds = time.monotonic() - began
        for outcome in await end_tasks(*work):
            if isinstance(outcome, Exception):
                self._failures.append(f"{type(outcome).__name__}: {outcome}")

    async def _report(self, scene: Scene, began: float) -> ExportReport:
        site = await scene.site.state()
        async with scene.place.runtime.session_factory() as db:
            evidence = await read_evidence(db)
            sessions = await read_sessions(db, [one.session_id for one in self._journeys])
            unknown = await unknown_effects(db)
            left = await worker_connections(db)
        if left:
            self._leaked.append(f"{left} connections to Postgres of workers that have ended")
        verdict = judge_exports(
            ExportCase(
                sessions=sessions,
                projects={one.session_id: one.planned.project for one in self._journeys},
                site=site,
                url=scene.site.url,
                unknown=unknown,
            )
        )
        self._add_runs(verdict, evidence)
        _keep(self.logs / "jira-requests.log", await scene.site.log())
        attempts = [
            attempt
            for run_id, several in evidence.attempts.items()
            if evidence.runs[run_id].task_type == _EXPORT
            for attempt in several
        ]
        return ExportReport(
            seed=self.seed,
            seconds=time.monotonic() - began,
            storm=self._storm_seconds,
            verdict=verdict,
            journal=self._journal,
            faults={name: hits for name, hits in self._faults.items() if hits},
            requests=site["requests"],
            exports=len(self._journeys),
            runs=sum(run.task_type == _EXPORT for run in evidence.runs.values()),
            attempts=len(attempts),
            attempts_lost=sum(attempt.outcome == "lost" for attempt in attempts),
            looked_up=_lines_with(self.logs, "effect_found"),
            settled_by_hand=sum(journey.unsettled for journey in self._journeys),
            outages=[
                f"{outage.server} from {outage.at} to {outage.until}"
                for outage in self._journal.outages
            ],
        )

    def _add_runs(self, verdict: ExportVerdict, evidence: Evidence) -> None:
        """What the rows of runs and the program itself say, beside the stand-in."""
        for run in evidence.runs.values():
            verdict.broken += broken_rows(run, evidence.attempts.get(run.id, ()))
            if run.is_active:
                verdict.stuck.append(f"{run.task_type} {run.id} is {run.state}")
        for journey in self._journeys:
            if not journey.is_complete:
                name = journey.planned.name
                verdict.stuck.append(f"{name} ({journey.session_id}) was never exported whole")
        verdict.leaked += self._leaked
        verdict.failures += self._failures


def _keep(file: Path, log: Sequence[Mapping[str, Any]]) -> None:
    """Every request to the stand-in, a line each."""
    lines = [
        f"{one['at']:>10.3f} {one['method']:<5}{one['path']} → {one['status']} {one['fault'] or ''}"
        for one in log
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines_with(logs: Path, action: str) -> int:
    return sum(
        f'"{action}"' in line
        for file in logs.glob("worker-*.log")
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
    )
