"""Takes sessions to their exports over the API, starting again what fails, as a person would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2

from benchmarks.chaos.journal import Journal
from benchmarks.chaos_export.plan import PlannedExport
from benchmarks.chaos_export.site import Site

__all__ = ["ExportJourney", "Traveller"]

_AGAIN = 0.3
_PATIENCE = 180.0
_STARTS = 60
"""An export that failed is started again; so often at most."""


@dataclass(kw_only=True)
class ExportJourney:
    """One session, and what the API has said about it."""

    planned: PlannedExport
    session_id: UUID
    runs: list[UUID] = field(default_factory=list)
    is_complete: bool = False
    unsettled: int = 0
    """How often only a person could say what had happened."""


@dataclass(kw_only=True)
class Traveller:
    """Somebody with a browser, who asks until there is an answer."""

    client: httpx2.AsyncClient
    journal: Journal
    site: Site
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _connection: str = field(default="", init=False)

    async def connect(self) -> None:
        """Connect to the stand-in; every export uses this connection."""
        answer = await self.client.post(
            "/api/export/connections",
            json={"site_url": self.site.url, "email": self.site.email, "token": self.site.token},
        )
        self._connection = str(answer.raise_for_status().json()["id"])

    async def prepare(self, planned: PlannedExport) -> ExportJourney:
        """A session that was generated, edited and validated, while nothing is wrong yet."""
        begun = await self._ask(
            "POST",
            "/api/sessions",
            json={"name": planned.name, "jira_project_key": planned.project},
        )
        session_id = begun.raise_for_status().json()["id"]
        uploaded = await self.client.post(
            f"/api/sessions/{session_id}/uploads",
            files=[
                ("files", (name, content, "text/csv")) for name, content in planned.sheets.items()
            ],
        )
        uploaded.raise_for_status()
        await self._do("processing", session_id)
        await self._edit(planned, session_id)
        await self._do("adf_validation", session_id)
        return ExportJourney(planned=planned, session_id=UUID(session_id))

    async def export(self, journey: ExportJourney) -> None:
        """Export it at its time, until that has succeeded."""
        await asyncio.sleep(journey.planned.at)
        for _ in range(_STARTS):
            run_id = await self._start(journey)
            if run_id is None:
                await asyncio.sleep(_AGAIN)
                continue
            if run_id not in journey.runs:
                journey.runs.append(run_id)
            ended = await self._ended(run_id)
            if ended["status"] == "completed":
                journey.is_complete = True
                return
            await self._mend(journey, (ended["error"] or {}).get("code", ended["status"]))

    async def _start(self, journey: ExportJourney) -> UUID | None:
        """The run; None if the start was refused, and something was done about that."""
        options = {"connection": self._connection, "bulk": journey.planned.bulk}
        answer = await self._ask(
            "POST",
            f"/api/export/start/{journey.session_id}",
            json={"target": "jira", "options": options},
        )
        if answer.status_code == 202:
            return UUID(answer.json()["task_id"])
        latest = await self._latest(journey.session_id)
        if latest is not None and latest["status"] == "completed":
            return UUID(latest["task_id"])
        code = answer.json().get("code", answer.text)
        self.journal.notes[f"the start of an export was refused: {answer.status_code} {code}"] += 1
        if code == "export.connection_lost":
            await self._check()
        return None

    async def _mend(self, journey: ExportJourney, code: str) -> None:
        """What a person does before the next start."""
        self.journal.notes[f"an export was started again after {code}"] += 1
        if code == "outcome_unknown":
            journey.unsettled += 1
        if code == "export.connection_lost":
            await self._check()

    async def _check(self) -> None:
        """Let the connection be checked: what works again is good again."""
        async with self._checking:
            await self._ask("POST", f"/api/export/connections/{self._connection}/check")

    async def _edit(self, planned: PlannedExport, session_id: str) -> None:
        listed = await self._ask("GET", f"/api/sessions/{session_id}/tickets")
        tickets = listed.raise_for_status().json()["tickets"]
        edits = planned.edits_for([ticket["title"] for ticket in tickets])
        for position, fields in edits.items():
            url = f"/api/sessions/{session_id}/tickets/{tickets[position]['id']}"
            ticket = (await self._ask("GET", url)).raise_for_status().json()
            edited = await self._ask("PATCH", url, json={"revision": ticket["revision"], **fields})
            edited.raise_for_status()

    async def _do(self, task: str, session_id: str) -> None:
        started = await self._ask("POST", f"/api/{task}/start/{session_id}", json={})
        ended = await self._ended(UUID(started.raise_for_status().json()["task_id"]))
        if ended["status"] != "completed":
            raise RuntimeError(f"{task} of a session that is to be exported: {ended}")

    async def _latest(self, session_id: UUID) -> Mapping[str, Any] | None:
        answer = await self._ask("GET", f"/api/export/status/{session_id}")
        run: Mapping[str, Any] | None = answer.raise_for_status().json()["run"]
        return run

    async def _ended(self, run_id: UUID) -> dict[str, Any]:
        while True:
            answer = await self._ask("GET", f"/api/runs/{run_id}")
            run: dict[str, Any] = answer.raise_for_status().json()
            if run["status"] != "processing":
                return run
            await asyncio.sleep(_AGAIN)

    async def _ask(self, method: str, url: str, **what: Any) -> httpx2.Response:
        """Ask until there is an answer that is more than `come back later`, or for minutes."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                answer = await self.client.request(method, url, **what)
            except httpx2.TransportError:
                await asyncio.sleep(_AGAIN)
                continue
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
            if answer.status_code not in {429, 503}:
                what_for = "/".join(url.split("/")[2:4])
                self.journal.notes[
                    f"{method} {what_for} answered {answer.status_code}: {answer.text[:200]}"
                ] += 1
            await asyncio.sleep(_AGAIN)
        raise TimeoutError(f"{method} {url} was not answered for {_PATIENCE:.0f} s")
