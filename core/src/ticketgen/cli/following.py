"""Starts a task over the API and watches its run to the end; Ctrl-C leaves the run going."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ticketgen.cli.client import ApiProblemError, Client
from ticketgen.cli.printable import one_line
from ticketgen.cli.showing import hint
from ticketgen.client import ApiError, ProgressMessage
from ticketgen.console import err

__all__ = ["CONNECTION_LOST", "ending_of", "progress_bars", "start", "watch", "watch_with_bar"]

Seen = Callable[[float, str, bool], None]
"""Told the percentage, the stage, and whether nothing is known to move at present."""

CONNECTION_LOST = "The connection to the API is lost; trying again …"


async def start(
    client: Client, task: str, session_id: str, request: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Store a run of the task; the API's answer."""
    started: dict[str, Any] = await client.call(
        "POST", f"/api/{task}/start/{session_id}", json=dict(request or {})
    )
    return started


async def watch(client: Client, run_id: str, seen: Seen) -> dict[str, Any]:
    """The run as it has ended, however that was; it may have begun before.

    Raises:
        ApiProblemError: it is not to be seen.
        TemporaryError: the API does not answer any more.
    """
    reached = 0.0

    def told(message: ProgressMessage) -> None:
        nonlocal reached
        if message.type == "resync" or message.is_terminal:
            return
        reached = message.progress_percentage or 0.0
        parked = "parked" in (message.details or {})
        seen(reached, message.current_stage or "", parked)

    try:
        run = await client.api.wait(
            run_id, seen=told, lost=lambda _: seen(reached, CONNECTION_LOST, True)
        )
    except ApiError as error:
        raise client.understood(error) from error
    return run.model_dump(mode="json")


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
