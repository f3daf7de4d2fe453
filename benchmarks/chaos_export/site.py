"""The stand-in for Jira as a process of its own, and what is asked of it over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from ticketgen_export.jira_stub import Fault

__all__ = ["Site", "serving_site"]

_UP_WITHIN = 60.0
_MODULE = "ticketgen_export.jira_stub"
_WITH_PARENT = (
    "import runpy; from ticketgen.cli.parent import end_with_parent; end_with_parent(); "
    f"runpy.run_module({_MODULE!r}, run_name='__main__', alter_sys=True)"
)
"""Ends when this program does, however that ends."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """The stand-in at its address; it outlives every trouble, as Jira would."""

    url: str
    email: str
    token: str = field(repr=False)
    control: httpx2.AsyncClient

    async def add_accounts(self, names: Iterable[str]) -> None:
        """People that issues can be assigned to; nobody ever uses their tokens."""
        for name in names:
            email = f"{name.lower().replace(' ', '.')}@example.org"
            account = {"email": email, "name": name, "token": os.urandom(12).hex()}
            (await self.control.post("/_stub/accounts", json=account)).raise_for_status()

    async def behave(self, **changes: float) -> None:
        """Change how it behaves; durations are seconds."""
        (await self.control.patch("/_stub/behaviour", json=changes)).raise_for_status()

    async def fail(self, faults: Sequence[Fault]) -> int:
        """Let these go wrong from now on; the number of the first among all there ever were."""
        before = len(await self.counts())
        planned = [fault.model_dump(mode="json") for fault in faults]
        (await self.control.post("/_stub/faults", json=planned)).raise_for_status()
        return before

    async def recover(self) -> None:
        """Let nothing go wrong any more; the counts of faults are gone with them."""
        (await self.control.delete("/_stub/faults")).raise_for_status()

    async def counts(self) -> list[dict[str, Any]]:
        """Every fault, with how many requests it saw and how many it happened to."""
        answer = await self.control.get("/_stub/faults")
        counts: list[dict[str, Any]] = answer.raise_for_status().json()
        return counts

    async def state(self) -> dict[str, Any]:
        """Everything it holds and has counted."""
        answer = await self.control.get("/_stub/state", params={"log": "no"})
        state: dict[str, Any] = answer.raise_for_status().json()
        return state

    async def log(self) -> list[dict[str, Any]]:
        """Every request it was sent, in order."""
        answer = await self.control.get("/_stub/state")
        log: list[dict[str, Any]] = answer.raise_for_status().json()["log"]
        return log


@asynccontextmanager
async def serving_site(projects: Sequence[str], *, seed: int, logs: Path) -> AsyncIterator[Site]:
    """Have it up while the block runs."""
    arguments = ["-c", _WITH_PARENT, "--json", "--port", "0", "--index-lag", "0"]
    arguments += ["--seed", str(seed)]
    for project in projects:
        arguments += ["--project", project]
    with (logs / "jira.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None, "a pipe was asked for"
        async with asyncio.timeout(_UP_WITHIN):
            line = await process.stdout.readline()
        access = json.loads(line)
        async with httpx2.AsyncClient(base_url=access["url"], timeout=30) as control:
            yield Site(
                url=access["url"],
                email=access["email"],
                token=access["token"],
                control=control,
            )
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
