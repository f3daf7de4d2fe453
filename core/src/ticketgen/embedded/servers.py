"""Postgres and Valkey from wheels, running for as long as the process that wanted them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ticketgen.embedded import postgres, valkey
from ticketgen.embedded.binaries import Binaries, find_binaries, require_supported_platform
from ticketgen.embedded.control import Control
from ticketgen.embedded.directory import DirectoryLock, claim, private_folder, socket_folder
from ticketgen.embedded.endpoint import Endpoint, endpoint_file, write_endpoint
from ticketgen.embedded.fleet import STOP_SIGNALS, Fleet
from ticketgen.embedded.identity import IdentityChoice, assume_identity, copy_place
from ticketgen.embedded.logs import tail
from ticketgen.embedded.problems import EmbeddedServersError, ServersLostError
from ticketgen.embedded.processes import Birth, birth_of, is_alive, send_signal

__all__ = ["EmbeddedServers"]

_READY_WITHIN = timedelta(seconds=60)
_PATIENCE = timedelta(seconds=20)
_WATCH = 0.5


class EmbeddedServers:
    """Both servers on one data directory; `with` or `async with` starts and stops them.

    They never outlive this process, however it ends. What they store stays in the directory for
    the next start. `durable=False` gives up surviving a power cut for speed: for tests and demos.
    All methods block, those of `async with` and `wait_until_lost` excepted. `patience` is how long
    a start waits for servers whose owner died to be gone.

    Raises:
        PlatformUnsupportedError: this is Windows.
    """

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        identity: IdentityChoice = "auto",
        binaries: Binaries | None = None,
        ready_within: timedelta = _READY_WITHIN,
        patience: timedelta = _PATIENCE,
    ) -> None:
        require_supported_platform()
        self.directory = directory.absolute()
        self._durable = durable
        self._choice: IdentityChoice = identity
        self._binaries = binaries
        self._ready_within = ready_within
        self._patience = patience
        self._home = self.directory / "servers"
        self._sockets = socket_folder(self.directory)
        self._started_at = datetime.now(UTC)
        self._owner = 0
        self._lock: DirectoryLock | None = None
        self._control: Control | None = None
        self._fleet: Fleet | None = None
        self._extra: dict[str, Any] = {}

    @property
    def database_url(self) -> str:
        """Postgres for SQLAlchemy with asyncpg; the same at every start on this directory."""
        return postgres.database_url(self._sockets)

    @property
    def redis_url(self) -> str:
        """Valkey; the same at every start on this directory."""
        return valkey.redis_url(self._sockets)

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of what was started: `supervisor`, `postgres`, `redis`."""
        return {name: birth.pid for name, birth in self._births().items()}

    def start(self) -> None:
        """Start both servers and wait until they answer.

        Raises:
            BinariesMissingError: the wheels are not installed.
            DataUnusableError: the data is another user's, or another Postgres version's.
            DirectoryInUseError: somebody else runs servers on this directory.
            ServerNotReadyError: a server does not come up.
        """
        if self._lock is not None:
            raise EmbeddedServersError("These servers are already started.")
        self._started_at = datetime.now(UTC)
        self._owner = os.getpid()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop both servers gently and give the directory free; does nothing if not started.

        Nor does it in a forked child, which has no say over its parent's servers.
        """
        if self._owner != os.getpid():
            return
        survivors = self._fleet.births if self._fleet is not None else {}
        if self._control is not None:
            self._control.close()
        for name, birth in survivors.items():
            # Only a supervisor that was killed leaves anybody behind to receive this.
            if send_signal(birth, STOP_SIGNALS[name]):
                _wait_for_end(birth)
        self._control = self._fleet = None
        self._extra.clear()
        if self._lock is not None:
            endpoint_file(self.directory).unlink(missing_ok=True)
            for folder in (self._sockets, copy_place(self._sockets)):
                shutil.rmtree(folder, ignore_errors=True)
            self._lock.release()
            self._lock = None

    def publish(self, **extra: Any) -> None:
        """Tell processes that `attach` more, such as `api_url`; a None takes it back."""
        self._extra |= extra
        self._extra = {name: value for name, value in self._extra.items() if value is not None}
        self._write_down()

    def start_postgres(self) -> None:
        """Start Postgres again, after `stop_postgres`, `kill_postgres`, or a crash.

        Raises:
            EmbeddedServersError: it already runs.
            ServerNotReadyError: it does not come up.
        """
        self._running().bring_up_postgres()
        self._write_down()

    def stop_postgres(self) -> None:
        """Stop Postgres: its sessions are ended, nothing is lost."""
        self._running().end("postgres")

    def kill_postgres(self) -> None:
        """Crash Postgres: no checkpoint is written, the next start has to recover."""
        # SIGQUIT rather than SIGKILL: the same to the data, but no child is left for a moment.
        self._running().end("postgres", number=signal.SIGQUIT)

    def start_redis(self, *, wipe: bool = False) -> None:
        """Start Valkey again, with what it stored or, with `wipe`, with nothing.

        Raises:
            EmbeddedServersError: it already runs.
            ServerNotReadyError: it does not come up.
        """
        fleet = self._running()
        if wipe and "redis" not in fleet.births:
            fleet.wipe_redis()
        fleet.launch("redis")
        fleet.await_ready("redis")
        self._write_down()

    def stop_redis(self) -> None:
        """Stop Valkey; what it stored is kept if the servers are durable."""
        self._running().end("redis")

    def kill_redis(self) -> None:
        """Crash Valkey; with durable servers, what it had answered for is kept."""
        self._running().end("redis", number=signal.SIGKILL)

    def check(self) -> None:
        """Say so if anything ended by itself; stopping a server on purpose is no loss.

        Raises:
            ServersLostError: a server or the supervisor is gone.
        """
        fleet = self._running()
        ended = fleet.ended()
        lost = [name for name in fleet.births if name in ended]
        if lost:
            stories = [f"{name} ended by itself:\n{tail(fleet.log(name))}" for name in lost]
            raise ServersLostError(
                "\n".join(f"The embedded {story}" for story in stories),
                recovery_actions=["Start again; what was stored is kept."],
            )

    async def wait_until_lost(self) -> None:
        """Return never; `up` awaits this beside its own work.

        Raises:
            ServersLostError: a server or the supervisor ended by itself.
        """
        while True:
            await asyncio.sleep(_WATCH)
            await asyncio.to_thread(self.check)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A thread cannot be cancelled: let it finish, then undo.
            with contextlib.suppress(EmbeddedServersError):
                await starting
            await _to_the_end(self.stop)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await _to_the_end(self.stop)

    def _start(self) -> None:
        binaries = self._binaries or find_binaries()
        self._lock = claim(self.directory, patience=self._patience)
        self._describe()
        endpoint_file(self.directory).unlink(missing_ok=True)
        users = frozenset({os.geteuid(), self._earlier_owner()})
        for folder in (self._home, self._sockets):
            private_folder(folder, owners=users)
        (self._home / "redis").mkdir(mode=0o700, exist_ok=True)
        self._control = Control(
            log=self._home / "supervisor.log",
            lock=self._lock.descriptor,
            leftovers=[endpoint_file(self.directory), self._sockets],
        )
        where = assume_identity(
            self._control,
            choice=self._choice,
            data=self._home,
            sockets=self._sockets,
            binaries=binaries,
        )
        self._fleet = Fleet(
            control=self._control,
            where=where,
            home=self._home,
            sockets=self._sockets,
            durable=self._durable,
            ready_within=self._ready_within,
        )
        self._fleet.launch("redis")
        self._describe()
        self._fleet.prepare_cluster()
        self._fleet.bring_up_postgres()
        self._describe()
        self._fleet.await_ready("redis")
        self._write_down()

    def _earlier_owner(self) -> int:
        """Root may have given the servers' folder to another user at an earlier start."""
        if os.geteuid() != 0 or not self._home.is_dir():
            return os.geteuid()
        return self._home.stat().st_uid

    def _running(self) -> Fleet:
        if self._fleet is None:
            raise EmbeddedServersError("The embedded servers are not started.")
        return self._fleet

    def _births(self) -> dict[str, Birth]:
        births: dict[str, Birth] = {}
        if self._fleet is not None:
            births.update(self._fleet.births.items())
        supervisor = birth_of(self._control.pid) if self._control is not None else None
        return births | ({"supervisor": supervisor} if supervisor else {})

    def _describe(self) -> None:
        if self._lock is not None:
            self._lock.describe(since=self._started_at, processes=self._births())

    def _write_down(self) -> None:
        owner = birth_of(os.getpid())
        if owner is None:
            raise EmbeddedServersError("This process does not find itself among the running ones.")
        endpoint = Endpoint(
            database_url=self.database_url,
            redis_url=self.redis_url,
            owner=owner,
            host=socket.gethostname(),
            started_at=self._started_at,
            pids=self.pids,
            extra=self._extra,
        )
        self._describe()
        write_endpoint(self.directory, endpoint)


def _wait_for_end(birth: Birth) -> None:
    """Give a server that was told to stop the time for it."""
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    while is_alive(birth) and time.monotonic() < deadline:
        time.sleep(0.01)


async def _to_the_end(work: Callable[[], None]) -> None:
    """Do blocking work in a thread; a cancellation waits until it is done."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
