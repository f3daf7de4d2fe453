"""Starts a task over the API and watches its run to the end; Ctrl-C leaves the run going."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal

import websockets
from pydantic import ValidationError
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from websockets.exceptions import WebSocketException

from ticketgen.cli.client import ApiProblemError, Client
from ticketgen.cli.printable import one_line
from ticketgen.cli.showing import hint
from ticketgen.console import err
from ticketgen.progress import ProgressMessage

__all__ = ["ending_of", "progress_bars", "start", "watch", "watch_with_bar"]

Seen = Callable[[float, str, bool], None]
"""Told the percentage, the stage, and whether nobody can take the run at present."""

_LOOK_SECONDS = 1.0
_SETTLED = frozenset({"completed", "failed", "cancelled"})


async def start(
    client: Client, task: str, session_id: str, request: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Store a run of the task; the API's answer."""
    started: dict[str, Any] = await client.call(
        "POST", f"/api/{task}/start/{session_id}", json=dict(request or {})
    )
    return started


async def watch(client: Client, run_id: str, seen: Seen) -> dict[str, Any]:
    """The run as it has ended, however that was.

    Its stream begins with where it stands and always tells its end, so it may have begun before.
    Where no stream can be had, the run is looked at every second.
    """
    try:
        async for message in _stream(client, run_id):
            parked = "parked" in (message.details or {})
            seen(message.progress_percentage or 0.0, message.current_stage or "", parked)
    except (OSError, WebSocketException, ValidationError):
        pass  # the run goes on, and so does the look at it
    while True:
        run: dict[str, Any] = await client.call("GET", f"/api/runs/{run_id}")
        if run["status"] in _SETTLED:
            return run
        waits = run.get("parked") or {}
        stage = waits.get("message") or run.get("current_stage") or ""
        seen(run.get("progress_percentage") or 0.0, stage, bool(waits))
        await asyncio.sleep(_LOOK_SECONDS)


async def watch_with_bar(client: Client, run: Mapping[str, Any], session: str) -> dict[str, Any]:
    """Watch a run with a bar on standard error, and give it as it has ended.

    Raises:
        ApiProblemError: it has failed or was cancelled.
    """
    try:
        with progress_bars() as progress:
            bar = progress.add_task(one_line(str(run["task_type"])), total=100, stage="")
            ended = await watch(client, str(run["task_id"]), _onto(progress, bar))
    except asyncio.CancelledError:
        hint(
            f"The run goes on. Look again with `ticketgen sessions status {session} --wait`, "
            f"end it with `ticketgen sessions cancel {session}`."
        )
        raise
    return ending_of(ended)


def ending_of(run: dict[str, Any]) -> dict[str, Any]:
    """The run, if it has completed.

    Raises:
        ApiProblemError: it has failed or was cancelled; with all that is known of why.
    """
    if run["status"] == "completed":
        return run
    error = run.get("error") or {}
    said = error.get("user_message") or f"`{run['task_type']}` was {run['status']}."
    if run["status"] == "cancelled":
        said = f"`{run['task_type']}` was cancelled."
    raise ApiProblemError({**error, "detail": said})


def progress_bars() -> Progress:
    """Bars on standard error; nothing where that is no terminal."""
    return Progress(
        TextColumn("{task.description:<14}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[stage]}", markup=False),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def _onto(progress: Progress, bar: Any) -> Seen:
    told: set[str] = set()

    def seen(percentage: float, stage: str, waits: bool) -> None:
        progress.update(bar, completed=percentage, stage=one_line(stage))
        # Without a terminal there is no bar, and a run that nobody takes would wait in silence.
        if waits and not err.is_terminal and stage not in told:
            told.add(stage)
            hint(stage)

    return seen


async def _stream(client: Client, run_id: str) -> AsyncIterator[ProgressMessage]:
    """What the run says, up to its end."""
    address = f"{client.place.url.replace('http', 'ws', 1)}/api/runs/{run_id}/progress"
    headers = {"Authorization": f"Bearer {client.place.token}"}
    proxy: Literal[True] | None = None if client.place.local else True
    async with websockets.connect(address, additional_headers=headers, proxy=proxy) as stream:
        async for raw in stream:
            message = ProgressMessage.model_validate_json(raw)
            yield message
            if message.is_terminal:
                return
