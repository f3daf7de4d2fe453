"""Servers, schema and settings of its own for the processes that are started."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from arq.connections import ArqRedis
from redis.asyncio import UnixDomainSocketConnection

from benchmarks.startup.processes import environment_in
from ticketgen.database import create_engine
from ticketgen.embedded import EmbeddedServers
from ticketgen.migrations import installed_trees, upgrade_all
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings, load_settings

__all__ = ["PEER", "QUEUE", "STAMP", "Scene", "opened_scene"]

PEER = "startup_peer"
"""The module of arq's plain worker."""

QUEUE = "startup:arq"
"""Its queue; ours is arq's default."""

STAMP = "startup:first"
"""Where its job says when it was begun."""

_PEER_SOURCE = """
import time
{imports}
from arq.connections import RedisSettings

async def first(ctx):
    await ctx["redis"].set("{stamp}", repr(time.time()))

class WorkerSettings:
    functions = [first]
    redis_settings = RedisSettings(unix_socket_path={socket!r})
    queue_name = "{queue}"
"""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the cases are measured on."""

    runtime: Runtime
    """Of this process: it puts runs into the queue and looks when they were begun."""
    arq: ArqRedis
    """For the jobs of arq's worker."""
    environment: Mapping[str, str]
    directory: Path


@asynccontextmanager
async def opened_scene(directory: Path) -> AsyncIterator[Scene]:
    """Set it all up in a directory, with the four plugins and a schema."""
    async with EmbeddedServers(directory / "data", durable=False) as servers:
        settings = load_settings(
            database_url=servers.database_url,
            redis_url=servers.redis_url,
            data_dir=directory,
        )
        await _migrate(settings)
        arq = ArqRedis.from_url(servers.redis_url)
        _write_peers(directory, arq)
        async with open_runtime(settings, application_name="startup") as runtime:
            try:
                yield Scene(
                    runtime=runtime,
                    arq=arq,
                    environment={
                        **environment_in(directory),
                        "TICKETGEN_DATABASE_URL": servers.database_url,
                        "TICKETGEN_REDIS_URL": servers.redis_url,
                        "TICKETGEN_DATA_DIR": str(directory),
                        "PYTHONPATH": os.pathsep.join([str(directory), *sys.path[1:]]),
                    },
                    directory=directory,
                )
            finally:
                await arq.aclose(close_connection_pool=True)


async def _migrate(settings: Settings) -> None:
    engine = create_engine(settings, application_name="startup-migration")
    try:
        await upgrade_all(engine, installed_trees(settings).trees)
    finally:
        await engine.dispose()


def _write_peers(directory: Path, arq: ArqRedis) -> None:
    assert arq.connection_pool.connection_class is UnixDomainSocketConnection, "embedded Valkey"
    socket = str(arq.connection_pool.connection_kwargs["path"])
    libraries = "import asyncpg, pydantic_settings, sqlalchemy.ext.asyncio, structlog"
    for name, imports in ((PEER, ""), (f"{PEER}_with_database", libraries)):
        source = _PEER_SOURCE.format(imports=imports, stamp=STAMP, queue=QUEUE, socket=socket)
        (directory / f"{name}.py").write_text(source, encoding="utf-8")
