"""How the embedded Valkey is started, and seen to be ready.

No port is open; the socket lies in a folder that only its owner can enter, so it needs no password.
"""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import quote

__all__ = ["SOCKET", "command", "is_ready", "redis_url"]

SOCKET = "redis.sock"


def command(*, binary: Path, home: Path, sockets: Path, durable: bool) -> list[str]:
    """The command line of the server; there is no configuration file.

    Durable data is appended to a log, which a kill does not harm; snapshots would add nothing.
    """
    settings = {
        "port": "0",
        "unixsocket": str(sockets / SOCKET),
        "unixsocketperm": "700",
        "dir": str(home),
        "save": "",
        "appendonly": "yes" if durable else "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [
        str(binary),
        *(part for name, value in settings.items() for part in (f"--{name}", value)),
    ]


def is_ready(sockets: Path) -> bool:
    """Whether the server answers a ping; while it still loads its data it does not."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(sockets / SOCKET))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def redis_url(sockets: Path) -> str:
    """The first database behind the socket in this folder."""
    return f"unix://{quote(str(sockets / SOCKET), safe='/')}?db=0"
