"""One data directory has one owner at a time, and a short private place for its sockets.

The owner is whoever holds the lock of `lock`. Supervisor and servers inherit it, so a lock that is
free proves that nothing of an earlier run lives: what it left behind can be cleared without
guessing by process ids. The file's content only says who it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ticketgen.embedded.problems import DataUnusableError, DirectoryInUseError
from ticketgen.embedded.processes import Birth, birth_of, is_alive, send_signal

__all__ = ["DirectoryLock", "claim", "private_folder", "socket_folder"]

_POLL = 0.02
_LONGEST_SOCKET = 103
"""Bytes of a socket's path on macOS, less the closing NUL; Linux allows four more."""
_LONGEST_NAME = len("/tg-0123456789ab/.s.PGSQL.5432.lock")


class DirectoryLock:
    """The right to run servers on a directory, held until every process that has it is gone."""

    def __init__(self, *, descriptor: int) -> None:
        self.descriptor = descriptor
        # A child forked without exec may outlive us, and would go on holding the lock.
        os.register_at_fork(after_in_child=self.release)

    def describe(self, *, since: datetime, processes: Mapping[str, Birth]) -> None:
        """Write down who holds the lock and what runs under it, for whoever is refused."""
        owner = birth_of(os.getpid())
        text = json.dumps(
            {
                "owner": asdict(owner) if owner else None,
                "host": socket.gethostname(),
                "since": since.isoformat(timespec="seconds"),
                "processes": {name: asdict(birth) for name, birth in processes.items()},
            }
        )
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)

    def release(self) -> None:
        """Let go of our own hold; safe to call twice."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def claim(directory: Path, *, patience: timedelta) -> DirectoryLock:
    """Become the owner of a data directory, creating it if needed.

    An owner that died may have servers that still shut down: they get half of `patience`, then
    they are told to.

    Raises:
        DirectoryInUseError: somebody else owns it.
        DataUnusableError: it belongs to another user or cannot be created.
    """
    import fcntl  # absent on Windows, where the package must still import

    _require_own(directory)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    start = time.monotonic()
    limit = patience.total_seconds()
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return DirectoryLock(descriptor=descriptor)
            except BlockingIOError:
                _clear_way(_holder(descriptor), directory, time.monotonic() - start, limit)
                time.sleep(_POLL)
    except BaseException:
        os.close(descriptor)
        raise


def socket_folder(directory: Path) -> Path:
    """A folder for the sockets of this data directory whose path is short and stays the same.

    Raises:
        DataUnusableError: its place is taken by somebody else.
    """
    name = f"{os.geteuid()}:{directory.resolve()}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    parent = Path(tempfile.gettempdir())
    too_long = len(os.fsencode(parent)) + _LONGEST_NAME > _LONGEST_SOCKET
    # arq does not decode a socket's path in a URL, so nothing in it may need encoding.
    if too_long or quote(str(parent)) != str(parent):
        parent = Path("/tmp")  # noqa: S108 - the folder in it is private and its owner is checked
    return parent / f"tg-{digest}"


def private_folder(path: Path, *, owners: frozenset[int]) -> None:
    """Make sure that only its owner, one of `owners`, can enter this folder.

    Raises:
        DataUnusableError: it belongs to somebody else, or is no folder.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise DataUnusableError(
            f"{path} belongs to somebody else (user id {found.st_uid}) or is no plain folder.",
            recovery_actions=["Remove it, or run as the user that it belongs to."],
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)


def _require_own(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = directory.stat().st_uid
    except OSError as error:
        raise DataUnusableError(
            f"The data directory {directory} cannot be used: {error.strerror}.",
            recovery_actions=["Choose another one with TICKETGEN_DATA_DIR."],
        ) from error
    if owner != os.geteuid():
        raise DataUnusableError(
            f"The data directory {directory} belongs to another user (id {owner}).",
            recovery_actions=[
                "Run as that user, or choose another directory with TICKETGEN_DATA_DIR."
            ],
        )


def _holder(descriptor: int) -> dict[str, Any]:
    """Who wrote the lock file; empty while it is being written."""
    try:
        content = json.loads(os.pread(descriptor, 65536, 0))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _clear_way(holder: dict[str, Any], directory: Path, waited: float, limit: float) -> None:
    owner = Birth(**holder["owner"]) if holder.get("owner") else None
    foreign = bool(holder) and holder["host"] != socket.gethostname()
    if waited > limit or foreign or (owner is not None and is_alive(owner)):
        raise _in_use(holder, directory)
    if waited > limit / 2:
        for name, birth in holder.get("processes", {}).items():
            # A supervisor passes it on; Postgres would wait for its sessions on SIGTERM.
            gentle = signal.SIGINT if name == "postgres" else signal.SIGTERM
            send_signal(Birth(**birth), gentle)


def _in_use(holder: dict[str, Any], directory: Path) -> DirectoryInUseError:
    owner = holder.get("owner") or {}
    pid = owner.get("pid", "unknown")
    return DirectoryInUseError(
        f"Servers already run on {directory}: started by process {pid} on "
        f"{holder.get('host', 'this host')}, {holder.get('since', 'just now')}.",
        recovery_actions=[
            f"Stop that process (Ctrl-C in its terminal, or kill {pid}), and start again.",
            "Or choose another directory with TICKETGEN_DATA_DIR.",
        ],
        technical_details=holder,
    )
