"""Real Postgres and real Valkey from `pip install` alone, for one machine.

    with EmbeddedServers(directory) as servers:          # or: async with
        servers.database_url, servers.redis_url

starts both on the data in a directory; they end with the process that started them, however that
ends. `attach(directory)` finds servers that another process runs there. Why they run safely as
root is told in `identity`, how they never outlive their parent in `supervisor`, and how two
starts never meet on one directory in `directory`.
"""

from __future__ import annotations

from ticketgen.embedded.endpoint import Endpoint, attach
from ticketgen.embedded.problems import (
    BinariesMissingError,
    DataUnusableError,
    DirectoryInUseError,
    EmbeddedServersError,
    PlatformUnsupportedError,
    ServerNotReadyError,
    ServersLostError,
)
from ticketgen.embedded.servers import EmbeddedServers

__all__ = [
    "BinariesMissingError",
    "DataUnusableError",
    "DirectoryInUseError",
    "EmbeddedServers",
    "EmbeddedServersError",
    "Endpoint",
    "PlatformUnsupportedError",
    "ServerNotReadyError",
    "ServersLostError",
    "attach",
]
