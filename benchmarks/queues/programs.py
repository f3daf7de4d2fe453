"""How is a process of a contender started, asked, held still, and ended?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.queues.contenders import Contender
from benchmarks.queues.peers.station import Options

__all__ = ["FailedError", "Program", "running"]

_ANSWER_WITHIN = 120.0
_END_WITHIN = 15.0
_LINE = 2**24
"""The longest answer: the delays of some thousand jobs."""


class FailedError(Exception):
    """A contender did not do what it was to; it is said in the table, and the others go on."""


class Program:
    """One worker or feeder."""

    def __init__(self, process: Process, log: Path, title: str) -> None:
        self._process = process
        self._log = log
        self._title = title

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    async def ask(self, do: str, *, patience: float = _ANSWER_WITHIN, **what: Any) -> Any:
        """Have it do something, and return its answer.

        Raises:
            FailedError: it has ended, or does not answer in time.
        """
        assert self._process.stdin is not None, "it was started with one"
        assert self._process.stdout is not None, "it was started with one"
        try:
            self._process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
            await self._process.stdin.drain()
            async with asyncio.timeout(patience):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise FailedError(f"{self._title}: no answer in {patience:g} s") from None
        except OSError:
            line = b""
        if not line:
            raise FailedError(f"{self._title} has ended: {self._last_words()}")
        return json.loads(line)

    async def reach(self, *, within: float) -> Any:
        """Wait until the jobs that it was told to expect have ended; what its tally says.

        Raises:
            FailedError: they have not.
        """
        told = await self.ask("wait", within=within, patience=within + 10)
        if not told["reached"]:
            raise FailedError(f"{self._title}: {told['jobs']} jobs in {within:g} s")
        return told

    def hold(self) -> None:
        """Let it do nothing until `release`."""
        self._send(signal.SIGSTOP)

    def release(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL."""
        self._send(signal.SIGKILL)

    async def end(self) -> None:
        """Tell it to stop; one that does not is killed."""
        self._send(signal.SIGCONT)
        self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._send(signal.SIGKILL)
            await self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        # Not by the process object: it would look first whether it has ended, and take its exit
        # code away from the event loop.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "without a word"


@asynccontextmanager
async def running(
    role: str,
    contender: Contender,
    options: Options,
    *,
    python: Path,
    environment: Mapping[str, str],
    logs: Path,
) -> AsyncIterator[Program]:
    """A program for the length of a block."""
    log = logs / f"{contender.key}-{role}.log"
    module = f"benchmarks.queues.peers.{contender.program}"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            str(python),
            "-m",
            module,
            role,
            json.dumps(asdict(options)),
            env=_child(environment),
            stdin=PIPE,
            stdout=PIPE,
            stderr=stream,
            start_new_session=True,
            limit=_LINE,
        )
    program = Program(process, log, f"{contender.title} ({role})")
    try:
        yield program
    finally:
        await program.end()


def _child(environment: Mapping[str, str]) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    paths = [root, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        **os.environ,  # noqa: TID251 - a child needs PATH, HOME and the like
        **environment,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONUNBUFFERED": "1",
    }
