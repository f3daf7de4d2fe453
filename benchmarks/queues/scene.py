"""What is everything measured on: servers, an installation of ours, and the peers' interpreters?"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis

from benchmarks.queues.contenders import Contender
from benchmarks.queues.environments import prepare_environment, versions_in
from benchmarks.queues.peers.station import Options
from benchmarks.queues.programs import FailedError, Program, running
from ticketgen.database import create_engine
from ticketgen.embedded import EmbeddedServers
from ticketgen.migrations import installed_trees, upgrade_all
from ticketgen.settings import Settings, load_settings
from ticketgen.testing import installed_plugin

__all__ = ["Scene", "opened_scene"]

_PLUGIN = "from benchmarks.queues.plugin import ticketgen_plugin\n"
_OURS = "ticketgen"
_PROCRASTINATE = "procrastinate"
_NEUTRAL = "postgres"
_NEXT_WRITING = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"

_UNENDED = {
    _OURS: "select count(*) from session_tasks where finished_at is null or announced_at is null",
    _PROCRASTINATE: (
        "select count(*) from procrastinate_jobs where status in ('todo', 'doing', 'aborting')"
    ),
}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where contenders are started, and their servers are read."""

    servers: EmbeddedServers
    redis: Redis
    databases: Mapping[str, asyncpg.Connection]
    """By name; each of two holds the jobs of one contender, the third is for looking."""
    environment: Mapping[str, str]
    """Of our own programs."""
    pythons: Mapping[str, Path]
    logs: Path
    versions: dict[str, dict[str, str]] = field(default_factory=dict)

    def worker(
        self, contender: Contender, concurrency: int
    ) -> AbstractAsyncContextManager[Program]:
        """One worker process, for the length of a block."""
        return self._program("worker", contender, concurrency)

    def feeder(self, contender: Contender) -> AbstractAsyncContextManager[Program]:
        """One process that enqueues, for the length of a block."""
        return self._program("feeder", contender, 10)

    def _program(
        self, role: str, contender: Contender, concurrency: int
    ) -> AbstractAsyncContextManager[Program]:
        ours = contender.environment is None
        if not ours and contender.environment not in self.pythons:
            raise FailedError(f"{contender.title}: its environment could not be made")
        return running(
            role,
            contender,
            Options(
                redis=self.servers.redis_url,
                postgres=_conninfo(self.servers, _PROCRASTINATE),
                concurrency=concurrency,
                variant=dict(contender.variant),
            ),
            python=Path(sys.executable) if ours else self.pythons[contender.environment or ""],
            environment=self.environment if ours else {},
            logs=self.logs,
        )

    async def clear(self, contender: Contender) -> None:
        """Take away every job, and what is known of jobs in Redis."""
        await self.redis.flushall()
        if contender.durable:
            table = "session_tasks" if contender.environment is None else "procrastinate_jobs"
            database = self._database(contender)
            if await database.fetchval("select to_regclass($1) is not null", table):
                await database.execute(f"truncate {table} cascade")

    async def commands(self) -> dict[str, int]:
        """How many of each command the server has carried out, those inside scripts included."""
        told = await self.redis.info("commandstats")
        calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in told.items()}
        return {name: number for name, number in calls.items() if name != "info"}

    async def reads(self) -> int:
        """How often the server has read from a client: round trips, less one for each look."""
        told = await self.redis.info("stats")
        return int(told["total_reads_processed"])

    async def redis_seconds(self) -> float:
        """Processor seconds that the Redis server has used."""
        told = await self.redis.info("cpu")
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])

    async def unended(self, contender: Contender) -> int:
        """Durable jobs that have not ended, or not been told of, if that is part of it."""
        database = self._database(contender)
        name = _OURS if contender.environment is None else _PROCRASTINATE
        return int(await database.fetchval(_UNENDED[name]))

    async def transactions(self, contender: Contender) -> int:
        """Transactions of its database, as far as its sessions have reported them."""
        # Asked from another database, so that the asking is not counted.
        name = _OURS if contender.environment is None else _PROCRASTINATE
        return int(
            await self.databases[_NEUTRAL].fetchval(
                "select xact_commit + xact_rollback from pg_stat_database where datname = $1", name
            )
        )

    async def written(self) -> int:
        """The number of the next transaction that writes, of all databases."""
        return int(await self.databases[_NEUTRAL].fetchval(_NEXT_WRITING))

    def _database(self, contender: Contender) -> asyncpg.Connection:
        return self.databases[_OURS if contender.environment is None else _PROCRASTINATE]


def _conninfo(servers: EmbeddedServers, database: str) -> str:
    settings = load_settings(database_url=servers.database_url)
    host = (settings.database_url or "").partition("?host=")[2]
    return f"host={host} user={_OURS} dbname={database}"


@asynccontextmanager
async def opened_scene(
    contenders: Sequence[Contender], *, environments: Path, fsync: bool, logs: Path
) -> AsyncIterator[Scene]:
    """Set it all up in a temporary directory, and take it down again."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="queues-")))
        servers = await stack.enter_async_context(
            EmbeddedServers(directory / "data", durable=fsync)
        )
        own = {
            "TICKETGEN_DATABASE_URL": servers.database_url,
            "TICKETGEN_REDIS_URL": servers.redis_url,
            "TICKETGEN_DATA_DIR": str(directory),
            "TICKETGEN_LOG_LEVEL": "WARNING",
        }
        await _migrate(_settings(own))
        plugin = stack.enter_context(installed_plugin("queues", _PLUGIN))
        spec = find_spec(plugin.module)
        assert spec is not None, "it was installed this moment"
        told = os.environ.get("PYTHONPATH")  # noqa: TID251 - handed on to our own programs
        own["PYTHONPATH"] = os.pathsep.join(
            [str(Path(spec.origin or "").parent), *([told] if told else [])]
        )
        redis = Redis.from_url(servers.redis_url)
        stack.push_async_callback(redis.aclose)
        databases = {name: await _connected(stack, servers, name) for name in (_OURS, _NEUTRAL)}
        await databases[_NEUTRAL].execute(f"create database {_PROCRASTINATE}")
        databases[_PROCRASTINATE] = await _connected(stack, servers, _PROCRASTINATE)
        pythons, versions = _interpreters(contenders, environments)
        scene = Scene(
            servers=servers,
            redis=redis,
            databases=databases,
            environment=own,
            pythons=pythons,
            logs=logs,
            versions=versions,
        )
        for contender in contenders:
            if contender.durable:  # its feeder makes the tables, where they are the peer's
                async with scene.feeder(contender) as feeder:
                    await feeder.ask("fill", jobs=0)
        yield scene


def _settings(environment: Mapping[str, str]) -> Settings:
    values: dict[str, Any] = {
        name.removeprefix("TICKETGEN_").lower(): value for name, value in environment.items()
    }
    return load_settings(**values)


async def _migrate(settings: Settings) -> None:
    engine = create_engine(settings, application_name="queues-migration")
    try:
        await upgrade_all(engine, installed_trees(settings).trees)
    finally:
        await engine.dispose()


async def _connected(
    stack: AsyncExitStack, servers: EmbeddedServers, database: str
) -> asyncpg.Connection:
    host = _conninfo(servers, database).split()[0].removeprefix("host=")
    connection = await asyncpg.connect(host=host, user=_OURS, database=database)
    stack.push_async_callback(connection.close)
    return connection


def _interpreters(
    contenders: Sequence[Contender], folder: Path
) -> tuple[dict[str, Path], dict[str, dict[str, str]]]:
    """Of those that could be made; who is missing is said when it is to run."""
    pythons: dict[str, Path] = {}
    versions = {"ours": versions_in(Path(sys.executable))}
    for name in sorted({c.environment for c in contenders if c.environment is not None}):
        try:
            pythons[name] = prepare_environment(folder, name)
        except RuntimeError as error:
            print(f"{name} cannot be installed: {error}", file=sys.stderr)
        else:
            versions[name] = versions_in(pythons[name])
    return pythons, versions
