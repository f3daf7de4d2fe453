"""The journey of a session as a client makes it: upload, generate, validate, export, download."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import websockets
from rich.progress import Progress, TaskID

from ticketgen.errors import TemporaryError, TicketgenError
from ticketgen.progress import ProgressMessage

__all__ = ["Journey", "JourneyError", "journey"]


class JourneyError(TicketgenError):
    """The API refused a step, or a task failed."""

    code = "journey"


@dataclass(frozen=True, kw_only=True)
class Journey:
    """A client that speaks REST and WebSocket, and nothing else, to the API."""

    client: httpx2.AsyncClient
    url: str
    token: str

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of a successful answer.

        Raises:
            JourneyError: the API answers with a problem.
        """
        return (await self._answer(method, path, **arguments)).json()

    async def begin(self, name: str, description: str) -> str:
        """Begin a session and give its id."""
        session = await self.call(
            "POST", "/api/sessions", json={"name": name, "description": description}
        )
        return str(session["id"])

    async def upload(self, session_id: str, files: Mapping[str, bytes]) -> Any:
        """Upload all files at once."""
        parts = [("files", (name, content, "text/csv")) for name, content in files.items()]
        return await self.call("POST", f"/api/sessions/{session_id}/uploads", files=parts)

    async def download(self, session_id: str) -> bytes:
        """The exported files as a zip archive."""
        answer = await self._answer("GET", f"/api/export/download/{session_id}")
        return bytes(answer.content)

    async def follow(
        self, session_id: str, task_type: str, progress: Progress, bar: TaskID
    ) -> dict[str, Any]:
        """Start a task, show its progress to the end, and give its result summary.

        Listens before it starts, so that not even the first message is missed.

        Raises:
            JourneyError: the task fails.
        """
        socket_url = self.url.replace("http", "ws", 1)
        address = f"{socket_url}/api/{task_type}/progress/{session_id}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with websockets.connect(address, additional_headers=headers) as stream:
            ProgressMessage.model_validate_json(await stream.recv())
            await self.call("POST", f"/api/{task_type}/start/{session_id}")
            async for raw in stream:
                message = ProgressMessage.model_validate_json(raw)
                if message.is_terminal:
                    return _ending(message, progress, bar)
                progress.update(
                    bar,
                    completed=message.progress_percentage or 0,
                    stage=message.current_stage or "",
                )
        raise TemporaryError(f"The stream of {task_type} ended before its task did.")

    async def _answer(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        answer = await self.client.request(method, path, **arguments)
        if answer.is_success:
            return answer
        problem = answer.json()
        findings = [
            f"{finding['file']}: {finding['message']} {finding['remedy']}"
            for finding in problem.get("findings", [])
        ]
        raise JourneyError(
            problem["detail"], recovery_actions=findings or problem["recovery_actions"]
        )


def _ending(message: ProgressMessage, progress: Progress, bar: TaskID) -> dict[str, Any]:
    if message.type != "completed":
        progress.update(bar, stage="failed")
        raise JourneyError(
            message.user_message or f"{message.task_type} ended as {message.type}.",
            recovery_actions=message.recovery_actions or [],
        )
    progress.update(bar, completed=100, stage="done")
    return message.result_summary or {}


@asynccontextmanager
async def journey(url: str, token: str) -> AsyncIterator[Journey]:
    """A client for the length of a block."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        yield Journey(client=client, url=url, token=token)
