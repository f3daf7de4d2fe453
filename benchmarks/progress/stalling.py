"""A client that attaches and then reads no more, as one whose machine has gone to sleep."""

from __future__ import annotations

import asyncio
import socket

from benchmarks.progress.connection import Server
from benchmarks.progress.wire import CLOSE, FrameReader, answer_in, upgrade_request

__all__ = ["Stalled"]

_SMALL = 4_096
"""Bytes of its receive buffer: what the system keeps for it shall not hide the server's buffers."""


class Stalled:
    """A plain socket; what it has missed is looked at in the end."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain

    @classmethod
    async def opened(cls, server: Server, path: str) -> Stalled:
        """Attach, and read no more.

        Raises:
            OSError: nobody listens there.
        """
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        plain.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plain, (server.host, server.port))
        await loop.sock_sendall(plain, upgrade_request(path, host=server.host, token=server.token))
        return cls(plain)

    def drained(self) -> str:
        """How it ended: read what is left in the system's buffers, and see what comes last."""
        received, end = bytearray(), "open"
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:
                end = "reset"
                break
            if not data:
                end = "closed without a code"
                break
            received += data
        self._socket.close()
        answer = answer_in(bytes(received))
        if answer is None:
            return "never attached"
        for kind, payload in FrameReader().feed(bytes(received[answer.size :])):
            if kind == CLOSE:
                return f"closed with {int.from_bytes(payload[:2], 'big')}"
        return end
