"""What the plugin has open in a process: one HTTP client, and the connections to Jira sites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ticketgen import Host
from ticketgen_export.connections.book import ConnectionBook
from ticketgen_export.connections.oauth import OAuth
from ticketgen_export.connections.renewing import Renewer
from ticketgen_export.connections.service import Connections
from ticketgen_export.settings import ExportSettings

if TYPE_CHECKING:
    import httpx2  # see `jira.client`

__all__ = ["ExportState", "SharedClient", "open_state"]

_ON_THIS_MACHINE = ("all://127.0.0.1", "all://localhost", "all://[::1]")
"""Where no proxy of the environment leads to, or that would be another machine."""


class SharedClient:
    """Call it for the process's HTTP client; reading certificates takes a while, so it is late."""

    def __init__(self, settings: ExportSettings) -> None:
        self._settings = settings
        self._client: httpx2.AsyncClient | None = None

    def __call__(self) -> httpx2.AsyncClient:
        """The client, made at the first call; it follows no redirects."""
        if self._client is None:
            import httpx2

            self._client = httpx2.AsyncClient(
                timeout=self._settings.jira_timeout.total_seconds(),
                follow_redirects=False,
                mounts=dict.fromkeys(_ON_THIS_MACHINE),
            )
        return self._client

    async def aclose(self) -> None:
        """Close its connections, if it was ever made."""
        if self._client is not None:
            await self._client.aclose()


@dataclass(frozen=True, kw_only=True)
class ExportState:
    """What the lifespan yields, for runs, routes and commands."""

    http: SharedClient
    book: ConnectionBook
    connections: Connections
    unit_of_work: Callable[[], AbstractAsyncContextManager[Any]]
    """Opens a transaction, committed at the end of the block."""


@asynccontextmanager
async def open_state(host: Host) -> AsyncIterator[ExportState]:
    """Have it open while the block runs; nothing is connected before it is used."""
    settings = host.settings
    assert isinstance(settings, ExportSettings)  # noqa: S101 - the host read them
    http = SharedClient(settings)
    oauth = OAuth(http, settings)
    renewer = Renewer(host, http, oauth)
    try:
        yield ExportState(
            http=http,
            book=ConnectionBook(renewer),
            connections=Connections(host, http, oauth, renewer),
            unit_of_work=host.unit_of_work,
        )
    finally:
        await renewer.finish()
        await http.aclose()
