"""What does every program of a contender have in common: the job, its tally, and the commands?

A program is `worker` or `feeder`. It is told what to do by JSON lines on its standard input, and
answers each by one on its standard output; when its input ends, so does the process.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Feeder", "Options", "Peer", "do", "do_in_thread", "main"]

_PARENT_DEATH_SIGNAL = 1
"""`PR_SET_PDEATHSIG` of prctl(2)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a program is started with."""

    redis: str
    """The address of the server."""
    postgres: str
    """The folder of its socket, and the user, as libpq's connection string says it."""
    concurrency: int
    variant: dict[str, Any] = field(default_factory=dict)
    """What distinguishes two contenders of one program."""


class Feeder(Protocol):
    """Enqueues jobs; each is given what `do` takes."""

    async def put(self, sent: int, seconds: float) -> None:
        """Enqueue one job."""

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        """Enqueue all in the one call that the peer has for it; NotImplementedError if none."""


class Peer(Protocol):
    """What a program is made of."""

    def work(self, options: Options) -> None:
        """Run one worker until the process is told to stop."""

    def feeding(self, options: Options) -> AbstractAsyncContextManager[Feeder]:
        """Something to enqueue with, for the length of a block."""


class _Tally:
    """Which jobs have run in this process, and when."""

    def __init__(self) -> None:
        self.expect(0)

    def expect(self, jobs: int) -> None:
        self.begun: list[int] = []
        self.sent: list[int] = []
        self.ended: list[int] = []
        self.at_once = 0
        self._expected = jobs
        self._reached = threading.Event()

    def begin(self, sent: int) -> None:
        self.begun.append(time.monotonic_ns())
        self.sent.append(sent)
        self.at_once = max(self.at_once, len(self.begun) - len(self.ended))

    def end(self) -> None:
        self.ended.append(time.monotonic_ns())
        if len(self.ended) >= self._expected:
            self._reached.set()

    def wait(self, within: float) -> bool:
        return self._reached.wait(within)

    def told(self) -> dict[str, Any]:
        pairs = zip(self.sent, self.begun, strict=False)
        return {
            "jobs": len(self.ended),
            "begun": len(self.begun),
            "at_once": self.at_once,
            "first": min(self.begun, default=0),
            "last": max(self.ended, default=0),
            "cpu": time.process_time(),
            "delays": [begun - sent for sent, begun in pairs if sent],
        }


_TALLY = _Tally()


async def do(sent: int, seconds: float) -> None:
    """The job: count, and sleep if it is to; `sent` is when it was enqueued, or 0."""
    _TALLY.begin(sent)
    if seconds:
        await asyncio.sleep(seconds)
    _TALLY.end()


def do_in_thread(sent: int, seconds: float) -> None:
    """The same where jobs run in threads."""
    _TALLY.begin(sent)
    if seconds:
        time.sleep(seconds)
    _TALLY.end()


def main(peer: Peer) -> None:
    """Be the worker or the feeder, as the command line says."""
    _end_with_parent()
    role, text = sys.argv[1:]
    options = Options(**json.loads(text))
    if role == "worker":
        threading.Thread(target=_obey, daemon=True).start()
        peer.work(options)
    else:
        asyncio.run(_feed(peer, options))


def _end_with_parent() -> None:
    """Be killed when the benchmark is: while it is held, a process sees no end of its input."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _answer(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _obey() -> None:
    """In a thread of its own, so that it asks nothing of the worker's event loop."""
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "expect":
            _TALLY.expect(command["jobs"])
            _answer(cpu=time.process_time())
        elif command["do"] == "wait":
            reached = _TALLY.wait(command["within"])
            _answer(reached=reached, **_TALLY.told())
        else:
            _answer(**_TALLY.told())
    os._exit(0)


async def _feed(peer: Peer, options: Options) -> None:
    async with peer.feeding(options) as feeder:
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            began = time.process_time()
            seconds = await _COMMANDS[command.pop("do")](feeder, **command)
            _answer(seconds=seconds, cpu=time.process_time() - began)


async def _fill(feeder: Feeder, *, jobs: int, each: float = 0.0) -> float:
    """One by one, each awaited."""
    began = time.perf_counter()
    for _ in range(jobs):
        await feeder.put(0, each)
    return time.perf_counter() - began


async def _batch(feeder: Feeder, *, jobs: int, each: float = 0.0) -> float | None:
    """By one call; None if there is none for that."""
    batch = [(0, each)] * jobs
    began = time.perf_counter()
    try:
        await feeder.put_many(batch)
    except NotImplementedError:
        return None
    return time.perf_counter() - began


async def _drip(
    feeder: Feeder, *, jobs: int, pauses: tuple[float, float], seed: int, how: str = "put"
) -> float:
    """One after a random pause, each with the moment before it was enqueued."""
    put = getattr(feeder, how)
    randomness = random.Random(seed)
    began = time.perf_counter()
    for _ in range(jobs):
        await asyncio.sleep(randomness.uniform(*pauses))
        await put(time.monotonic_ns(), 0.0)
    return time.perf_counter() - began


_COMMANDS: dict[str, Callable[..., Any]] = {"fill": _fill, "batch": _batch, "drip": _drip}
