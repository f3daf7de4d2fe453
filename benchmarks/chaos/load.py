"""Starts the planned runs and takes sessions through the product, whatever is away meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx2
from pydantic import BaseModel
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from benchmarks.chaos.journal import Journal
from benchmarks.chaos.plan import Kind, PlannedRun
from ticketgen.domain.task_runs import TaskRun
from ticketgen.errors import TemporaryError
from ticketgen.runtime import Runtime

__all__ = ["JOURNEY", "Journey", "Load", "probe"]

JOURNEY = ("processing", "adf_validation", "export")

_AWAY = (DBAPIError, PoolTimeoutError, RedisError, TemporaryError, OSError)
_AGAIN = 0.3
_STARTS_EACH = 20
"""A task of a session that failed is started again, as a person would; so often at most."""


class _Wish(BaseModel):
    """What the chaos plugin's tasks ask for."""

    number: int
    parts: int
    seconds: float


@dataclass(kw_only=True)
class Journey:
    """One session on its way to a counted export."""

    session_id: UUID | None = None
    runs: list[UUID] = field(default_factory=list)
    """Every run that the API said it had started."""
    is_complete: bool = False


@dataclass(kw_only=True)
class Load:
    """What has been started so far; the answers of the system, not our hopes."""

    runtime: Runtime
    client: httpx2.AsyncClient
    """Speaks to the API as an administrator."""
    journal: Journal
    started: dict[int, UUID] = field(default_factory=dict)
    """Number of a planned run → its id, once the system said that it had it."""
    journeys: list[Journey] = field(default_factory=list)

    async def carry_out(self, planned: PlannedRun) -> None:
        """Start one run at its time; cancel it later if that is the plan."""
        await asyncio.sleep(planned.at)
        run_id = self.started[planned.number] = await self._start(planned)
        if planned.cancel_after is not None:
            await asyncio.sleep(planned.cancel_after)
            answer = await self._ask("POST", f"/api/runs/{run_id}/cancel")
            if answer.status_code >= 400:
                self.journal.notes[f"cancel answered {answer.status_code}: {answer.text}"] += 1

    async def travel(self, files: dict[str, bytes], options: dict[str, Any], *, at: float) -> None:
        """Take a session from its files to its export, starting again what fails."""
        journey = Journey()
        self.journeys.append(journey)
        await asyncio.sleep(at)
        journey.session_id = await self._session(files)
        for task in JOURNEY:
            request = {"target": "counting", "options": options} if task == "export" else {}
            if not await self._done(journey, task, request):
                return
        journey.is_complete = True

    async def _start(self, planned: PlannedRun) -> UUID:
        """Start it once: a start whose answer was lost is looked for before the next try."""
        wish = _Wish(number=planned.number, parts=planned.parts, seconds=planned.seconds)
        doubtful = False
        while True:
            try:
                found = await self._found(planned) if doubtful else None
                if found is not None:
                    return found
                doubtful = True
                async with self.runtime.unit_of_work() as work:
                    started = await work.start(str(planned.kind), request=wish)
            except _AWAY:
                await asyncio.sleep(_AGAIN)
            else:
                return started.run.id

    async def _found(self, planned: PlannedRun) -> UUID | None:
        async with self.runtime.session_factory() as db:
            return await db.scalar(
                select(TaskRun.id).where(
                    TaskRun.task_type == str(planned.kind),
                    TaskRun.payload["number"].as_integer() == planned.number,
                )
            )

    async def _session(self, files: dict[str, bytes]) -> UUID:
        """A session with the files; where an answer was lost another one is begun."""
        while True:
            begun = await self._ask("POST", "/api/sessions", json={"name": "Harbour Museum"})
            session_id = begun.raise_for_status().json()["id"]
            uploaded = await self.client.post(
                f"/api/sessions/{session_id}/uploads",
                files=[("files", (name, content, "text/csv")) for name, content in files.items()],
            )
            if uploaded.status_code < 300:
                return UUID(session_id)
            await asyncio.sleep(_AGAIN)

    async def _done(self, journey: Journey, task: str, request: dict[str, Any]) -> bool:
        """Start a task of the session, and again if it fails; whether it was completed."""
        for _ in range(_STARTS_EACH):
            started = await self._ask(
                "POST", f"/api/{task}/start/{journey.session_id}", json=request
            )
            if started.status_code != 202:
                refusal = f"start of {task} answered {started.status_code}: {started.text}"
                self.journal.notes[refusal] += 1
                return False
            run_id = UUID(started.json()["task_id"])
            if run_id not in journey.runs:
                journey.runs.append(run_id)
            ended = await self._ended(run_id)
            if ended["status"] == "completed":
                return True
            code = (ended["error"] or {}).get("code", ended["status"])
            if code == "processing.sheet_errors" and journey.session_id is not None:
                # The sample has one, on purpose: a person would look at it, and let it stay.
                journey.runs.remove(run_id)
                await self._accept_errors(journey.session_id)
            self.journal.notes[f"{task} was started again after {code}"] += 1
        return False

    async def _accept_errors(self, session_id: UUID) -> None:
        place = f"/api/processing/findings/{session_id}"
        report = (await self._ask("GET", place)).raise_for_status().json()
        groups = [group["id"] for group in report["groups"] if group["open_errors"]]
        chosen = {"groups": groups, "reason": "It is the sample's."}
        (await self._ask("POST", f"{place}/accept", json=chosen)).raise_for_status()

    async def _ended(self, run_id: UUID) -> dict[str, Any]:
        while True:
            answer = await self._ask("GET", f"/api/runs/{run_id}")
            run: dict[str, Any] = answer.raise_for_status().json()
            if run["status"] != "processing":
                return run
            await asyncio.sleep(_AGAIN)

    async def _ask(self, method: str, url: str, **what: Any) -> httpx2.Response:
        """Ask until there is an answer that is more than `come back later`."""
        while True:
            answer = await self.client.request(method, url, **what)
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                await asyncio.sleep(float(answer.headers.get("Retry-After", _AGAIN)))
                continue
            if answer.status_code < 500:
                return answer
            if answer.status_code != 503:
                self.journal.notes[
                    f"{method} {url.split('/')[2]} answered {answer.status_code}"
                ] += 1
            await asyncio.sleep(_AGAIN)


def probe(number: int, *, seconds: float) -> PlannedRun:
    """A run that holds a slot for a while, started at once."""
    return PlannedRun(number=number, kind=Kind.SLOW, at=0, parts=1, seconds=seconds)
