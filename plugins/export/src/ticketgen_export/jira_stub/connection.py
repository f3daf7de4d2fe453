"""The TCP connection of a request, so that it can be dropped for real."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import Any

from starlette.types import Receive
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Connection", "DroppableProtocol", "connection_of"]

_KEY = "jira_stub.connection"


class Connection:
    """Ends a connection without the rest of an answer."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    async def drop(self, receive: Receive) -> None:
        """Close it: the other side reads the end. `receive` is that of the request."""
        self._transport.abort()
        # Until the server knows, an answer that does not come would be a fault of ours.
        while (await receive())["type"] != "http.disconnect":
            pass

    async def reset(self, receive: Receive) -> None:
        """Reset it: the other side reads an error. `receive` is that of the request."""
        peer = self._transport.get_extra_info("socket")
        if peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.drop(receive)


class DroppableProtocol(H11Protocol):
    """Hands the application its connection, in the state of the request's scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Add the connection to the state that every scope of it gets."""
        super().connection_made(transport)
        # asyncio leaves it out for a socket that was made without naming the protocol; head and
        # body of an answer would then be 40 ms apart.
        accepted = transport.get_extra_info("socket")
        if accepted is not None:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, _KEY: Connection(transport)}


def connection_of(scope: MutableMapping[str, Any]) -> Connection:
    """The connection of a request.

    Raises:
        ConnectionResetError: the request came without one, from a client in the same process.
    """
    found = scope.get("state", {}).get(_KEY)
    if not isinstance(found, Connection):
        raise ConnectionResetError("The stand-in dropped the request.")
    return found
