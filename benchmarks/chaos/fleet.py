"""The worker processes of a campaign; one that ends is started again after a moment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.chaos.journal import Journal, Silence, now
from benchmarks.chaos.shape import Shape
from ticketgen.background import end_tasks

__all__ = ["Command", "Fleet", "Post"]

_END_WITHIN = 30.0
"""A worker that was told to stop and lives longer counts as leaked."""

_PLUGIN_SETS = ("", "", "", "chaos", "processing,adf_validation,export")
"""What a worker serves that is started again; nothing: everything."""


@dataclass(kw_only=True)
class Post:
    """The place of one worker: its process, and the next one when that has ended."""

    number: int
    process: Process | None = None
    plugins: str = ""
    frozen: bool = False
    killed: bool = False
    """By us; a process that ends with SIGKILL otherwise has taken its own poison."""
    told: bool = False
    """To stop, by us."""
    groups: set[int] = field(default_factory=set)
    """Process groups of every process that was ever here."""

    @property
    def is_up(self) -> bool:
        """Whether a process is there that nothing has been done to yet."""
        alive = self.process is not None and self.process.returncode is None
        return alive and not (self.frozen or self.killed or self.told)

    @property
    def pid(self) -> int:
        """Of the present process."""
        assert self.process is not None, "asked for a process where none is"
        return self.process.pid


Command = Callable[[Post], Sequence[str]]
"""What Python runs at a post: `-m`, a module, its arguments."""


class Fleet:
    """All workers; `running` keeps them up for the length of a block.

    With a `command` of its own it keeps up other processes of the host: the API.
    """

    def __init__(
        self,
        *,
        shape: Shape,
        environment: Mapping[str, str],
        logs: Path,
        journal: Journal,
        randomness: random.Random,
        plugin_sets: Sequence[str] = _PLUGIN_SETS,
        name: str = "worker",
        size: int | None = None,
        command: Command | None = None,
    ) -> None:
        self.posts = [
            Post(number=number) for number in range(shape.workers if size is None else size)
        ]
        self.leaked: list[str] = []
        """Processes that did not end when told to, or left others behind."""
        self.slots = shape.max_jobs
        """Of each worker."""
        self._shape = shape
        self._environment = environment
        self._logs = logs
        self._journal = journal
        self._random = randomness
        self._plugin_sets = plugin_sets
        self._name = name
        self._command = command or self._worker
        self._closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Fleet]:
        """Keep every post manned while the block runs, then stop all."""
        keepers = [asyncio.create_task(self._keep(post)) for post in self.posts]
        try:
            yield self
        finally:
            self._closing = True
            await self._stop()
            await end_tasks(*keepers)
            self.leaked += self._left_behind()

    def kill(self, post: Post) -> None:
        """SIGKILL: it does nothing more from this moment on."""
        post.killed = True
        self._journal.silences.append(Silence(pid=post.pid, at=now(), until=None))
        self._send(post, signal.SIGKILL)

    def tell_to_stop(self, post: Post) -> None:
        """SIGTERM: it hands its runs back, and ends."""
        post.told = True
        self._send(post, signal.SIGTERM)

    async def freeze(self, post: Post, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while, as a machine that sleeps or swaps."""
        pid, began = post.pid, now()
        post.frozen = True
        self._send(post, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            if post.process is not None and post.pid == pid:
                self._send(post, signal.SIGCONT)
                post.frozen = False
            self._journal.silences.append(Silence(pid=pid, at=began, until=now()))

    async def _keep(self, post: Post) -> None:
        while True:
            post.process = await self._started(post)
            post.killed = post.told = post.frozen = False
            post.groups.add(post.pid)
            if self._closing:
                self.tell_to_stop(post)
            code = await post.process.wait()
            self._judge_end(post, code)
            if self._closing:
                return
            await asyncio.sleep(self._shape.restart.drawn(self._random))
            # One worker always serves everything, or a task type might wait for the end.
            post.plugins = self._random.choice(self._plugin_sets) if post.number else ""

    def _worker(self, post: Post) -> Sequence[str]:
        served = ["--plugins", post.plugins] if post.plugins else []
        slots = str(self._shape.max_jobs)
        return ["-m", "ticketgen.cli.worker", "--with-parent", "--max-jobs", slots, *served]

    async def _started(self, post: Post) -> Process:
        with (self._logs / f"{self._name}-{post.number}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command(post),
                env=dict(self._environment),
                stdin=PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _judge_end(self, post: Post, code: int) -> None:
        if code == -signal.SIGKILL and not post.killed:
            self._journal.troubles[f"{self._name} killed by poison"] += 1
            self._journal.silences.append(Silence(pid=post.pid, at=now(), until=None))
        elif not (post.killed or post.told or self._closing):
            self._journal.notes[f"{self._name} {post.number} ended by itself with code {code}"] += 1

    async def _stop(self) -> None:
        living = [post for post in self.posts if post.process and post.process.returncode is None]
        for post in living:
            self._send(post, signal.SIGCONT)
            self.tell_to_stop(post)
        await asyncio.gather(*(self._ended(post) for post in living))

    def _left_behind(self) -> list[str]:
        return [
            f"something of {self._name} {post.number} (process group {group}) is still there"
            for post in self.posts
            for group in sorted(post.groups)
            if _is_alive(group)
        ]

    async def _ended(self, post: Post) -> None:
        assert post.process is not None, "only living ones are awaited"
        try:
            async with asyncio.timeout(_END_WITHIN):
                await post.process.wait()
        except TimeoutError:
            self.leaked.append(f"{self._name} {post.number} (pid {post.pid}) did not end")
            self._send(post, signal.SIGKILL)

    @staticmethod
    def _send(post: Post, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(post.pid, number)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
