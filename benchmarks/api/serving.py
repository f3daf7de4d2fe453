"""A whole installation: servers, filled tables, users with work, and one API process."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.chaos.installation import forget_settings
from benchmarks.growth.filling import Shape, fill, id_of
from ticketgen.cli.api import listen
from ticketgen.database import create_engine
from ticketgen.embedded import EmbeddedServers
from ticketgen.migrations import installed_trees, upgrade_all
from ticketgen.settings import load_settings

__all__ = ["ApiProcess", "Person", "installation", "people_of"]

_START_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Person:
    """One user of the load, with sessions of their own."""

    token: str
    review: UUID
    """A session in review, with tickets to read and to edit."""
    work: UUID
    """A session in review, in which tasks are started and cancelled."""


@dataclass(frozen=True, kw_only=True)
class ApiProcess:
    """The process that is measured."""

    pid: int
    host: str
    port: int
    engine: AsyncEngine
    """Of the same database, for who wants to look into it."""

    def forget_peak(self) -> None:
        """Begin to watch the memory anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def memory(self, field: str = "VmRSS") -> float:
        """Resident memory in MB: at present, or (`VmHWM`) at most since the peak was forgotten."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"the kernel tells no {field}")

    def cpu_seconds(self) -> float:
        """Processor time the process has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def people_of(shape: Shape, count: int) -> list[Person]:
    """The users of the load; their rows lie behind those of the shape."""
    return [
        Person(
            token=_token(number),
            review=id_of("session", shape.sessions + 2 * number - 1),
            work=id_of("session", shape.sessions + 2 * number),
        )
        for number in range(1, count + 1)
    ]


@asynccontextmanager
async def installation(
    *, rows: int, people: int, settings: dict[str, str] | None = None
) -> AsyncIterator[ApiProcess]:
    """Servers with that many rows, users for the load, and the API as `ticketgen api` runs it."""
    forget_settings()
    with (
        tempfile.TemporaryDirectory(prefix="api-") as directory,
        EmbeddedServers(Path(directory) / "data", durable=True) as servers,
    ):
        host = load_settings(
            database_url=servers.database_url, redis_url=servers.redis_url, data_dir=directory
        )
        engine = create_engine(host, application_name="benchmark")
        try:
            await upgrade_all(engine, installed_trees(host).trees)
            shape = Shape(rows=rows)
            await fill(engine, shape)
            await _add_people(engine, shape, people)
            environment = {
                **os.environ,  # noqa: TID251 - a child needs PATH, HOME and the like
                "TICKETGEN_DATABASE_URL": servers.database_url,
                "TICKETGEN_REDIS_URL": servers.redis_url,
                "TICKETGEN_DATA_DIR": directory,
                "TICKETGEN_LOG_LEVEL": "ERROR",
                **(settings or {}),
            }
            async with _process(environment, Path(directory) / "api.log") as (pid, port):
                yield ApiProcess(pid=pid, host="127.0.0.1", port=port, engine=engine)
        finally:
            await engine.dispose()


@asynccontextmanager
async def _process(environment: dict[str, str], log: Path) -> AsyncIterator[tuple[int, int]]:
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    command = [sys.executable, str(Path(sys.executable).with_name("ticketgen")), "api"]
    with log.open("wb") as told:
        process = await asyncio.create_subprocess_exec(
            *(*command, "--listen-fd", str(listening.fileno())),
            env=environment,
            pass_fds=[listening.fileno()],
            stdout=told,
            stderr=told,
        )
    listening.close()
    try:
        await _until_ready(port, process, log)
        yield process.pid, port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        if complaints := _told(log):
            print(f"the API said:\n{complaints}", file=sys.stderr)


def _told(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2_000:].strip()


async def _until_ready(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    for _ in range(_START_SECONDS * 20):
        if process.returncode is not None:
            raise RuntimeError(f"the API has ended: {_told(log)}")
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read(64)
            writer.close()
        except OSError:
            answer = b""
        if answer.startswith(b"HTTP/1.1 200"):
            return
        await asyncio.sleep(0.05)
    raise RuntimeError("the API did not come up")


def _token(number: int) -> str:
    return f"tg_load_{number}"


async def _add_people(engine: AsyncEngine, shape: Shape, count: int) -> None:
    def make(kind: str, before: int, number: str) -> str:
        first = id_of(kind, 0)
        return f"('{str(first)[:24]}' || lpad(to_hex({before} + {number}), 12, '0'))::uuid"

    user = make("user", shape.users, "n")
    ticket_session = make("session", shape.sessions, f"(n - 1) / {shape.per_session} + 1")
    async with engine.begin() as connection:
        for statement in (
            f"""INSERT INTO users (id, name, role)
            SELECT {user}, 'load ' || n, 'member' FROM generate_series(1, {count}) n""",
            f"""INSERT INTO api_tokens (id, user_id, name, token_hash, expires_at)
            SELECT gen_random_uuid(), {user}, 'load', sha256(('tg_load_' || n)::bytea),
                   clock_timestamp() + interval '1 day' FROM generate_series(1, {count}) n""",
            f"""INSERT INTO sessions (id, owner_id, name, description, writer, stage,
                   content_revision)
            SELECT {make("session", shape.sessions, "n")},
                   {make("user", shape.users, "(n - 1) / 2 + 1")}, 'Load ' || n, 'Under load.',
                   'template', 'review', 0 FROM generate_series(1, {count * 2}) n""",
            f"""INSERT INTO tickets (id, session_id, key, csv_type, entity_group, position, title,
                   description, generated_title, generated_description, writer, sources, notes,
                   revision)
            SELECT {make("ticket", shape.rows, "n")}, {ticket_session},
                   'bundles:content-type:c' || n % {shape.per_session}, 'bundles',
                   'Group ' || n % 6, (n - 1) % {shape.per_session} + 1, 'Component ' || n,
                   repeat('A sentence. ', 100),
                   'Component ' || n, repeat('A sentence. ', 100), 'template', '[]', '[]', 1
            FROM generate_series(1, {count * 2 * shape.per_session}) n""",
        ):
            await connection.execute(text(statement))
    async with engine.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE users, api_tokens, sessions, tickets"))
