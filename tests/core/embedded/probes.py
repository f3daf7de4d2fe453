"""What the tests ask of running servers, and of the processes behind them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import redis

from ticketgen.embedded.processes import birth_of

SCRIPT = Path(__file__).with_name("owner_process.py")


async def sql(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=60)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def put(url: str, value: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.set("key", value)


def get(url: str) -> str | None:
    with redis.Redis.from_url(url) as client:
        value = client.get("key")
    return value.decode() if isinstance(value, bytes) else None


def all_gone(pids: Iterable[int], *, within: float = 60.0) -> bool:
    """Whether none of them is left, now or within so many seconds."""
    left = set(pids)
    deadline = time.monotonic() + within
    while left := {pid for pid in left if birth_of(pid) is not None}:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True, kw_only=True)
class Owner:
    process: subprocess.Popen[str]
    pids: dict[str, int]


@contextmanager
def owner(directory: Path, mode: str = "wait", *, through: Sequence[str] = ()) -> Iterator[Owner]:
    """A process of its own, leading its own group, that runs servers on a directory."""
    process = subprocess.Popen(
        [*through, sys.executable, str(SCRIPT), str(directory), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the owner did not start its servers"
        yield Owner(process=process, pids=json.loads(line))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
