"""The journey of a session as a client makes it: upload, check, generate, validate, export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rich.progress import Progress, TaskID

from ticketgen.cli.client import Client, connected
from ticketgen.cli.connection import Place
from ticketgen.cli.following import ending_of, start, watch
from ticketgen.cli.printable import one_line

__all__ = ["Journey", "journey"]


@dataclass(frozen=True, kw_only=True)
class Journey:
    """A client that goes the way of a session, step by step."""

    client: Client

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of a successful answer.

        Raises:
            ApiProblemError: the API answers with a problem.
        """
        return await self.client.call(method, path, **arguments)

    async def begin(self, name: str, description: str, **site: Any) -> str:
        """Begin a session, with whatever else is known of the site, and give its id."""
        session = await self.call(
            "POST", "/api/sessions", json={**site, "name": name, "description": description}
        )
        return str(session["id"])

    async def upload(self, session_id: str, files: Mapping[str, bytes]) -> Any:
        """Upload all files at once."""
        parts = [("files", (name, content)) for name, content in files.items()]
        return await self.call("POST", f"/api/sessions/{session_id}/uploads", files=parts)

    async def check_and_accept(self, session_id: str, reason: str) -> None:
        """Check the sheets, and let all errors stay as they are.

        Raises:
            ApiProblemError: the check fails.
        """
        started = await start(self.client, "processing.check", session_id)
        ending_of(await watch(self.client, str(started["task_id"]), lambda *_: None))
        await self.accept_errors(session_id, reason)

    async def accept_errors(self, session_id: str, reason: str) -> list[dict[str, Any]]:
        """Let all errors of the last check stay as they are; the groups that were accepted."""
        place = f"/api/processing/findings/{session_id}"
        report = await self.call("GET", place)
        groups = [dict(group) for group in report["groups"] if group["open_errors"]]
        if groups:
            chosen = {"groups": [group["id"] for group in groups], "reason": reason}
            await self.call("POST", f"{place}/accept", json=chosen)
        return groups

    async def findings(self, session_id: str) -> list[Any]:
        """Everything the last check has found."""
        return await self.client.pages(f"/api/processing/findings/{session_id}/list")

    async def tickets(self, session_id: str) -> list[Any]:
        """The tickets in order of work, without their texts."""
        path = f"/api/sessions/{session_id}/tickets"
        return await self.client.pages(path, within="tickets")

    async def download(self, session_id: str) -> bytes:
        """The exported files as a zip archive."""
        return await self.client.content(f"/api/export/download/{session_id}")

    async def follow(
        self,
        session_id: str,
        task_type: str,
        progress: Progress,
        bar: TaskID,
        request: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start a task, show its progress to the end, and give its result summary.

        Raises:
            ApiProblemError: the task fails.
        """

        def seen(percentage: float, stage: str, waits: bool) -> None:
            progress.update(bar, completed=percentage, stage=one_line(stage))

        started = await start(self.client, task_type, session_id, request)
        run = await watch(self.client, str(started["task_id"]), seen)
        if run["status"] != "completed":
            progress.update(bar, stage=run["status"])
        summary: dict[str, Any] = ending_of(run)["result_summary"] or {}
        progress.update(bar, completed=100, stage="done")
        return summary


@asynccontextmanager
async def journey(url: str, token: str) -> AsyncIterator[Journey]:
    """A client of an API of this machine, for the length of a block."""
    origin = "this process"
    place = Place(url=url, token=token, token_from=origin, local=True)
    async with connected(place) as client:
        yield Journey(client=client)
