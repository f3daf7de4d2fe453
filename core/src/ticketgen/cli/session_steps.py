"""What a session's commands do in more than one request: run a task, delete it for good."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ticketgen.cli.choosing import find_session
from ticketgen.cli.client import Client
from ticketgen.cli.following import start, watch_with_bar
from ticketgen.cli.showing import hint
from ticketgen.errors import ConflictError

__all__ = ["delete", "perform", "run_task"]

_STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.5


async def perform(
    client: Client,
    task: str,
    session: str,
    request: Mapping[str, Any] | None = None,
    *,
    wait: bool,
) -> dict[str, Any]:
    """Start a task of the session that is meant; the run as it ended, or the start's answer.

    Raises:
        ApiProblemError: the start is refused, or the run that was waited for does not complete.
    """
    return await run_task(client, task, await find_session(client, session), request, wait=wait)


async def run_task(
    client: Client,
    task: str,
    session_id: str,
    request: Mapping[str, Any] | None = None,
    *,
    wait: bool,
) -> dict[str, Any]:
    """The same of a session whose id is known."""
    started = await start(client, task, session_id, request)
    if started["existing"]:
        hint("It is at work already; this is that run.")
    return await watch_with_bar(client, started, session_id) if wait else started


async def delete(client: Client, session_id: str, *, cancel: bool) -> dict[str, Any]:
    """Delete a session, and wait for what has to end before.

    Raises:
        ApiProblemError: it is refused.
        ConflictError: something in it does not end.
    """
    deadline = asyncio.get_running_loop().time() + _STOP_SECONDS
    while True:
        gone: dict[str, Any] = await client.call(
            "DELETE", f"/api/sessions/{session_id}", params={"cancel": cancel}
        )
        if gone["deleted"]:
            return gone
        if asyncio.get_running_loop().time() > deadline:
            raise ConflictError(
                "It is not deleted: what is at work in it has been asked to end, and has not.",
                recovery_actions=["Try again in a moment."],
            )
        await asyncio.sleep(_LOOK_SECONDS)
