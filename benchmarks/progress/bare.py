"""A server that does nothing but send, to see what the client and the machine can take at most.

It has no database, no Redis, and no framework: what a message takes from here to a watcher is the
share of every figure that is not the product's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

from benchmarks.progress.lines import hear, raise_file_limit, say

__all__ = ["BareServer"]

_SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
)
_CLOSE = bytes([0x88, 2]) + (1000).to_bytes(2, "big")


def _frame(message: Mapping[str, Any]) -> bytes:
    payload = json.dumps(message).encode()
    return bytes([0x81, 126]) + len(payload).to_bytes(2, "big") + payload


class _Socket(asyncio.Protocol):
    def __init__(self, watched: defaultdict[str, set[asyncio.Transport]]) -> None:
        self._watched = watched
        self._path: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._path is None:
            self._path = data.split(b" ", 2)[1].decode()
            self._transport.write(_SWITCHING + _frame({"type": "snapshot"}))
            self._watched[self._path].add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._path is not None:
            self._watched[self._path].discard(self._transport)


class BareServer:
    """Listens on a port of its own, and sends to whoever has come."""

    def __init__(self) -> None:
        self._watched: defaultdict[str, set[asyncio.Transport]] = defaultdict(set)

    async def do(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one order."""
        match order["do"]:
            case "listen":
                server = await asyncio.get_running_loop().create_server(
                    lambda: _Socket(self._watched), "127.0.0.1", 0
                )
                return {"port": server.sockets[0].getsockname()[1]}
            case "publish":
                return await self._publish(order["rate"], order["seconds"])
        raise ValueError(f"what is {order['do']!r}?")

    async def _publish(self, rate: float, seconds: float) -> dict[str, Any]:
        groups = list(self._watched.values())
        turns, began = int(rate * seconds), time.monotonic()
        cpu = time.process_time()
        for turn in range(turns * len(groups)):
            due = began + turn / len(groups) / rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            message = {
                "type": "progress",
                "epoch": "bare",
                "sequence": turn // len(groups) + 1,
                "details": {"sent_ns": time.monotonic_ns(), "filling": "x" * 300},
            }
            for transport in groups[turn % len(groups)]:
                transport.write(_frame(message))
        used = (time.process_time() - cpu) / (time.monotonic() - began)
        for group in groups:
            for transport in list(group):
                transport.write(_frame({"type": "completed"}) + _CLOSE)
        return {"cpu": used}


async def _main() -> None:
    raise_file_limit()
    server = BareServer()
    async for order in hear():
        say(await server.do(order))


if __name__ == "__main__":
    asyncio.run(_main())
