"""Lets the driver and its helper processes speak with each other: a JSON value a line."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

__all__ = ["Helper", "hear", "helper", "raise_file_limit", "say"]

_LONGEST_LINE = 64 * 1024 * 1024
_PATIENCE = 600.0
_END_WITHIN = 20.0


class Helper:
    """A process that answers every line it is told with one line."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have something done.

        Raises:
            RuntimeError: the process has ended instead of answering.
        """
        assert self._process.stdin is not None, "it was started with pipes"
        assert self._process.stdout is not None, "it was started with pipes"
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(_PATIENCE):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self._name} ended when it was told to {do}; see its log")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def helper(
    module: str, *, environment: Mapping[str, str], logs: Path
) -> AsyncIterator[Helper]:
    """A helper process for the length of a block; it ends with its input."""
    name = module.rpartition(".")[2]
    with (logs / f"{name}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=_LONGEST_LINE,
        )
    try:
        yield Helper(process, name)
    finally:
        assert process.stdin is not None, "it was started with pipes"
        process.stdin.close()
        try:
            async with asyncio.timeout(_END_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def hear() -> AsyncIterator[dict[str, Any]]:
    """What a helper is told, line by line, until its driver has no more to say or is gone."""
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield json.loads(line)


def say(answer: Mapping[str, Any]) -> None:
    """Answer the driver."""
    os.write(1, json.dumps(answer).encode() + b"\n")


def raise_file_limit() -> None:
    """Allow this process as many open files as it may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
