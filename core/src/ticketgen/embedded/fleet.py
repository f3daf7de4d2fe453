"""Each of the two servers can be started, awaited, stopped and crashed by name."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

from ticketgen.embedded import postgres, valkey
from ticketgen.embedded.control import SERVER_ENVIRONMENT, Control
from ticketgen.embedded.identity import Whereabouts
from ticketgen.embedded.logs import rotate, tail
from ticketgen.embedded.problems import EmbeddedServersError, ServerNotReadyError
from ticketgen.embedded.processes import Birth, birth_of

__all__ = ["STOP_SIGNALS", "Fleet", "ServerName"]

ServerName = Literal["postgres", "redis"]

_POLL = 0.004
_STOP_WITHIN = timedelta(seconds=20)

STOP_SIGNALS: dict[ServerName, signal.Signals] = {
    "postgres": signal.SIGINT,
    "redis": signal.SIGTERM,
}
"""SIGINT is Postgres' fast shutdown: sessions are ended, data is written, no recovery is needed."""


class Fleet:
    """The servers under one supervisor, in one folder, behind sockets in another."""

    def __init__(
        self,
        *,
        control: Control,
        where: Whereabouts,
        home: Path,
        sockets: Path,
        durable: bool,
        ready_within: timedelta,
    ) -> None:
        self.births: dict[ServerName, Birth] = {}
        """What was started and not stopped on purpose; it may have ended by itself."""
        self._control = control
        self._where = where
        self._home = home
        self._sockets = sockets
        self._durable = durable
        self._ready_within = ready_within.total_seconds()
        self._log_starts: dict[ServerName, int] = {}

    def prepare_cluster(self) -> None:
        """Set up Postgres' data, or make sure that it is of our version and free of stale marks.

        Raises:
            DataUnusableError: it is of another version.
            ServerNotReadyError: it could not be set up.
        """
        cluster = self._home / "postgres"
        major = postgres.major_version(self._where.binaries.postgres)
        if cluster.exists():
            postgres.require_version(cluster, major=major)
            # The directory's lock proves that no server runs; a process id proves nothing.
            (cluster / "postmaster.pid").unlink(missing_ok=True)
            return
        postgres.initialise(
            self._control,
            install=self._where.binaries.postgres,
            major=major,
            home=self._home,
            inside=self._where.data,
            durable=self._durable,
        )

    def launch(self, name: ServerName) -> None:
        """Start a server without waiting for it.

        Raises:
            EmbeddedServersError: it already runs.
        """
        if name in self.births and name not in self.ended():
            raise EmbeddedServersError(f"The embedded {name} already runs.")
        self._log_starts[name] = rotate(self.log(name))
        answer = self._control.call(
            "start",
            name=name,
            argv=self._command(name),
            env=SERVER_ENVIRONMENT,
            log=str(self._where.data / self.log(name).name),
            stop_signal=int(STOP_SIGNALS[name]),
        )
        birth = birth_of(answer["pid"])
        self.births[name] = birth or Birth(pid=answer["pid"], began="ended at once")

    def await_ready(self, name: ServerName) -> None:
        """Wait until a launched server answers.

        Raises:
            ServerNotReadyError: it ended, or does not answer in time.
        """
        checks: dict[ServerName, Callable[[], bool]] = {
            "postgres": lambda: postgres.is_ready(
                self._home / "postgres", pid=self.births["postgres"].pid
            ),
            "redis": lambda: valkey.is_ready(self._sockets),
        }
        deadline = time.monotonic() + self._ready_within
        while not checks[name]():
            if name in self.ended():
                raise self._not_ready(name, "ended while it was being started")
            if time.monotonic() > deadline:
                raise self._not_ready(name, f"is not ready after {self._ready_within:g} s")
            time.sleep(_POLL)

    def bring_up_postgres(self) -> None:
        """Launch Postgres and wait for it, also shortly after its process was killed outright.

        Raises:
            EmbeddedServersError: it already runs.
            ServerNotReadyError: it does not come up.
        """
        deadline = time.monotonic() + self._ready_within
        while True:
            self.launch("postgres")
            try:
                self.await_ready("postgres")
            except ServerNotReadyError as error:
                # The killed one's children need a moment to notice; until then it refuses.
                if "shared memory block" not in error.message or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def end(self, name: ServerName, *, number: signal.Signals | None = None) -> None:
        """Stop a server gently, or with another signal; wait until it is gone."""
        if name not in self.births:
            return
        grace = _STOP_WITHIN.total_seconds()
        self._control.call("stop", name=name, signal=number, grace=grace)
        del self.births[name]

    def wipe_redis(self) -> None:
        """Forget what Valkey stored; it must not run."""
        for entry in (self._home / "redis").iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def ended(self) -> set[str]:
        """The servers whose process is over, on purpose or not."""
        ended = self._control.call("poll")["ended"]
        return {name for name, status in ended.items() if status is not None}

    def log(self, name: ServerName) -> Path:
        """Where a server logs."""
        return self._home / f"{name}.log"

    def _command(self, name: ServerName) -> list[str]:
        data = self._where.data / name
        binaries = self._where.binaries
        if name == "postgres":
            return postgres.command(
                install=binaries.postgres,
                cluster=data,
                sockets=self._sockets,
                durable=self._durable,
            )
        return valkey.command(
            binary=binaries.valkey, home=data, sockets=self._sockets, durable=self._durable
        )

    def _not_ready(self, name: ServerName, what: str) -> ServerNotReadyError:
        end = tail(self.log(name), start=self._log_starts[name])
        return ServerNotReadyError(
            f"The embedded {name} {what}. The end of its log:\n{end}",
            recovery_actions=[f"Read {self.log(name)}; check disk space and rights."],
        )
