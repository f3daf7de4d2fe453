"""An installation of its own: servers, schema, a token, and API processes that can be watched."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from benchmarks.progress.lines import Helper, helper, raise_file_limit
from ticketgen.database import create_engine, create_session_factory
from ticketgen.domain import tokens, users
from ticketgen.embedded import EmbeddedServers
from ticketgen.migrations import installed_trees, upgrade_all
from ticketgen.queue import connect_redis
from ticketgen.settings import Settings, load_settings

__all__ = ["ApiProcess", "Scene", "scene"]

_UP_WITHIN = 60.0
_END_WITHIN = 30.0
_COUNTED = "ticketgen_stream_"


@dataclass(frozen=True, kw_only=True)
class ApiProcess:
    """One `ticketgen api`."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the measurements are made on."""

    servers: EmbeddedServers
    environment: Mapping[str, str]
    logs: Path
    token: str
    """Of an administrator, who may watch every run."""
    redis: Redis
    """Our own connection, to look at the server's others."""

    @asynccontextmanager
    async def api(self) -> AsyncIterator[ApiProcess]:
        """An API process of its own, for the length of a block, if it does not end before."""
        port = _free_port()
        with (self.logs / f"api-{port}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "ticketgen", "api", "--with-parent", "--port", str(port)),
                env=dict(self.environment),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        try:
            await _listens(process, port)
            yield ApiProcess(process=process, port=port)
        finally:
            await _ended(process)

    async def counters(self, api: ApiProcess) -> dict[str, int]:
        """What the process itself counts of its streams."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{api.port}/metrics",
            headers={"Authorization": f"Bearer {self.token}"},
        )

        def read() -> str:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text: str = answer.read().decode()
            return text

        lines = (await asyncio.to_thread(read)).splitlines()
        figures = dict(line.split(" ", 1) for line in lines if line.startswith(_COUNTED))
        return {name.removeprefix(_COUNTED): int(float(it)) for name, it in figures.items()}

    def publisher(self) -> contextlib.AbstractAsyncContextManager[Helper]:
        """A process that works on runs."""
        return self.helper("benchmarks.progress.publishers")

    def watchers(self) -> contextlib.AbstractAsyncContextManager[Helper]:
        """A process of clients."""
        return self.helper("benchmarks.progress.watchers")

    def helper(self, module: str) -> contextlib.AbstractAsyncContextManager[Helper]:
        """A process that runs a module of ours and does what it is asked."""
        return helper(module, environment=self.environment, logs=self.logs)

    async def redis_connections(self) -> tuple[int, int]:
        """How many connections there are beside our own, and how many of them subscribe."""
        own = await self.redis.client_id()
        clients = [client for client in await self.redis.client_list() if int(client["id"]) != own]
        return len(clients), sum(int(client["sub"]) > 0 for client in clients)


@asynccontextmanager
async def scene(directory: Path, logs: Path) -> AsyncIterator[Scene]:
    """Set it all up in a directory; nothing of it is left when the block ends."""
    raise_file_limit()
    async with EmbeddedServers(directory / "data", durable=True) as servers:
        own = {
            "TICKETGEN_DATABASE_URL": servers.database_url,
            "TICKETGEN_REDIS_URL": servers.redis_url,
            "TICKETGEN_DATA_DIR": str(directory),
            "TICKETGEN_LOG_FORMAT": "json",
        }
        settings = _settings(own)
        token = await _prepared(settings)
        redis = connect_redis(settings)
        try:
            yield Scene(
                servers=servers,
                environment=_inherited() | own,
                logs=logs,
                token=token,
                redis=redis,
            )
        finally:
            await redis.aclose(close_connection_pool=True)


def _inherited() -> dict[str, str]:
    """What a child needs of our environment: PATH, HOME and the like, and no setting of a host."""
    ours = os.environ.items()  # noqa: TID251 - handed on to children
    foreign = ("TICKETGEN_", "ARQ_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in ours if not name.startswith(foreign)}


def _settings(environment: Mapping[str, str]) -> Settings:
    values: dict[str, Any] = {
        name.removeprefix("TICKETGEN_").lower(): value for name, value in environment.items()
    }
    return load_settings(**values)


async def _prepared(settings: Settings) -> str:
    """Make the tables and an administrator, and answer with a token."""
    engine = create_engine(settings, application_name="bench-setup")
    try:
        await upgrade_all(engine, installed_trees(settings).trees)
        async with create_session_factory(engine)() as db:
            user = await users.create_user(db, name="bench", role=users.Role.ADMIN)
            _, token = await tokens.create_token(
                db, user=user, name="bench", lifetime=timedelta(days=1)
            )
            await db.commit()
    finally:
        await engine.dispose()
    return token


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _listens(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until the API answers at all.

    Raises:
        RuntimeError: it has ended instead.
        TimeoutError: it takes too long.
    """
    async with asyncio.timeout(_UP_WITHIN):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
    raise RuntimeError(f"the API ended with {process.returncode}; see its log")


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_END_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
