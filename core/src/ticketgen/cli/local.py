"""The whole system on this machine: embedded servers, the API and a worker as real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2
import structlog
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.attached import with_key
from ticketgen.background import end_tasks
from ticketgen.cli.api import listen
from ticketgen.cli.db_reports import failed_line
from ticketgen.cli.safe import safe_overrides
from ticketgen.console import err
from ticketgen.database import create_engine, create_session_factory
from ticketgen.domain import workers
from ticketgen.embedded import EmbeddedServers
from ticketgen.errors import TicketgenError
from ticketgen.key_file import keep_key, read_key
from ticketgen.migrations import installed_trees, upgrade_all
from ticketgen.settings import Settings, load_settings

__all__ = ["LocalSystem", "local_system", "migrate", "process_environment"]

_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_STEADY_SECONDS = 30.0
"""After so long a process counts as having come up well."""
_LONGEST_DELAY = 16.0

_log = structlog.get_logger(__name__)


class ProcessDiedError(TicketgenError):
    """The API or the worker ended by itself."""

    code = "process_died"


@dataclass
class _Child:
    """One process of ours, and the pipe whose end tells it that we are gone."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: IO[bytes]
    pass_fds: tuple[int, ...] = ()
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self.arguments,
            "--with-parent",
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=self.log,
            stderr=self.log,
            pass_fds=self.pass_fds,
            # Ctrl-C reaches us alone: we decide who stops, and in which order.
            start_new_session=True,
        )

    async def stop(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def last_words(self) -> str:
        lines = Path(self.log.name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-15:])


@dataclass(frozen=True, kw_only=True)
class LocalSystem:
    """What runs, and where."""

    settings: Settings
    """As the processes have them: with the servers' URLs."""
    servers: EmbeddedServers
    url: str
    """Of the API."""
    children: tuple[_Child, ...]

    async def keep_running(self) -> None:
        """Start again whatever ends by itself; comes back only with an error.

        Raises:
            ProcessDiedError: a process ends again and again.
            EmbeddedServersError: a server is lost.
        """
        watching = [
            asyncio.create_task(self.servers.wait_until_lost()),
            *(asyncio.create_task(_keep(child)) for child in self.children),
        ]
        try:
            done, _ = await asyncio.wait(watching, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await end_tasks(*watching)


async def _keep(child: _Child) -> None:
    """Start a child again when it has ended, a little later each time it ends soon."""
    delay = 0.5
    while True:
        assert child.process is not None  # noqa: S101 - started before it is kept
        began = asyncio.get_running_loop().time()
        await child.process.wait()
        if asyncio.get_running_loop().time() - began > _STEADY_SECONDS:
            delay = 0.5
        elif delay > _LONGEST_DELAY:
            raise _died(child)
        _log.warning(
            "process_ended", process=child.name, code=child.process.returncode, restart_in=delay
        )
        await asyncio.sleep(delay)
        delay *= 2
        await child.start()


def _died(child: _Child) -> ProcessDiedError:
    code = child.process.returncode if child.process else None
    return ProcessDiedError(
        f"The process {child.name!r} ended with {code}.",
        recovery_actions=[f"The last lines of its log {child.log.name}:\n{child.last_words()}"],
    )


@asynccontextmanager
async def local_system(
    directory: Path, *, host: str, port: int, durable: bool, safe: bool = False
) -> AsyncIterator[LocalSystem]:
    """Start everything in a directory, wait until it is ready, and stop everything at the end.

    The servers of the environment's settings are not touched: `TICKETGEN_DATABASE_URL` and its
    like mean other servers than these.

    Raises:
        EmbeddedServersError: the servers cannot be started, or somebody else uses the directory.
        ConfigurationError: the port is taken, or a required plugin is broken.
        ProcessDiedError: the API or the worker does not come up.
    """
    async with AsyncExitStack() as stack:
        # Before the port: the one a second `up` finds taken is mostly that of the first.
        servers = await stack.enter_async_context(EmbeddedServers(directory, durable=durable))
        bound = stack.enter_context(listen(host, port))
        settings = load_settings(
            database_url=servers.database_url,
            redis_url=servers.redis_url,
            data_dir=directory,
            **safe_overrides(safe),
        )
        settings = _with_keys(settings)
        await migrate(settings)
        logs = directory / "logs"
        logs.mkdir(exist_ok=True)
        children = []
        for name, arguments, fds in _processes(bound):
            log = stack.enter_context((logs / f"{name}.log").open("ab"))
            child = _Child(
                name=name,
                arguments=arguments,
                environment=process_environment(settings),
                log=log,
                pass_fds=fds,
            )
            stack.push_async_callback(child.stop)
            await child.start()
            children.append(child)
        address = bound.getsockname()
        system = LocalSystem(
            settings=settings,
            servers=servers,
            url=f"http://{_bracketed(address[0])}:{address[1]}",
            children=tuple(children),
        )
        await _wait_until_ready(system)
        servers.publish(api_url=system.url)
        yield system


def _with_keys(settings: Settings) -> Settings:
    """A key is made where none is set; one that was made is never left out afterwards."""
    directory = settings.data_dir
    key = read_key(directory) if settings.secret_keys else keep_key(directory)
    if key is None:
        return settings
    return settings.model_copy(update={"secret_keys": with_key(settings, key)})


async def migrate(settings: Settings) -> None:
    """Migrate all tables; a plugin whose own cannot be is said to be out of use."""
    engine = create_engine(settings, application_name="ticketgen-up")
    try:
        reports = await upgrade_all(engine, installed_trees(settings).trees)
    finally:
        await engine.dispose()
    for report in reports:
        if report.problem is not None:
            err.print(f"[red]{escape(failed_line(report))}[/red]", soft_wrap=True, highlight=False)
            err.print(
                f"  → {escape(report.problem.remedy)} It shows the traceback.",
                soft_wrap=True,
                highlight=False,
            )


def _processes(bound: socket.socket) -> list[tuple[str, list[str], tuple[int, ...]]]:
    descriptor = bound.fileno()
    return [
        ("worker", ["-m", "ticketgen.cli.worker"], ()),
        ("api", ["-m", "ticketgen", "api", "--listen-fd", str(descriptor)], (descriptor,)),
    ]


def process_environment(settings: Settings) -> dict[str, str]:
    """Our environment, with these servers in place of any others, and as safe as we are."""
    return {
        **os.environ,  # noqa: TID251 - handed on to our own processes
        "TICKETGEN_DATABASE_URL": str(settings.database_url),
        "TICKETGEN_REDIS_URL": str(settings.redis_url),
        "TICKETGEN_DATA_DIR": str(settings.data_dir),
        "TICKETGEN_SAFE_MODE": str(settings.safe_mode),
        "TICKETGEN_SECRET_KEYS": ",".join(key.get_secret_value() for key in settings.secret_keys),
        "PYTHONUNBUFFERED": "1",
    }


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _wait_until_ready(system: LocalSystem) -> None:
    """Wait until the API answers and the worker has said that it lives."""
    deadline = asyncio.get_running_loop().time() + _READY_SECONDS
    engine = create_engine(system.settings, application_name="ticketgen-up")
    try:
        async with httpx2.AsyncClient(base_url=system.url, timeout=5) as client:
            while not (await _answers(client) and await _works(engine, system.settings)):
                for child in system.children:
                    if child.process is None or child.process.returncode is not None:
                        raise _died(child)
                if asyncio.get_running_loop().time() > deadline:
                    raise _died(system.children[0])
                await asyncio.sleep(0.05)
    finally:
        await engine.dispose()


async def _answers(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/health/live")).is_success
    except httpx2.TransportError:
        return False


async def _works(engine: AsyncEngine, settings: Settings) -> bool:
    async with create_session_factory(engine)() as db:
        return bool(await workers.list_live_workers(db, expiry=settings.heartbeat_expiry))
