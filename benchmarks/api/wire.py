"""A small HTTP client: what measures must not be slower than what is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Answer", "Connection"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of the API."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


@dataclass(kw_only=True)
class Connection:
    """One kept connection of one user."""

    host: str
    port: int
    token: str
    _reader: asyncio.StreamReader | None = None
    _writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *failure: object) -> None:
        if self._writer is not None:
            self._writer.close()

    async def _open(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader, self._writer = await asyncio.open_connection(
            self.host, self.port, limit=1 << 20
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with a JSON body, or none, and read the answer.

        A connection that was closed because nobody used it is opened anew, as by any client.
        """
        try:
            return await self._asked(method, path, body, headers)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._open()
            return await self._asked(method, path, body, headers)

    async def _asked(
        self, method: str, path: str, body: Any, headers: Mapping[str, str] | None
    ) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        told = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        self._send_head(method, path, told | dict(headers or {}))
        assert self._writer is not None
        self._writer.write(content)
        await self._writer.drain()
        return await self._answer()

    async def send(
        self, path: str, parts: AsyncIterable[bytes], *, content_type: str, length: int
    ) -> Answer:
        """Post a long body piece by piece."""
        assert self._writer is not None
        self._send_head("POST", path, {"Content-Type": content_type, "Content-Length": str(length)})
        async for part in parts:
            self._writer.write(part)
            await self._writer.drain()
        return await self._answer()

    def _send_head(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        assert self._writer is not None
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Authorization: Bearer {self.token}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def _answer(self) -> Answer:
        assert self._reader is not None
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        length = int(headers.get("content-length", 0))
        body = await self._reader.readexactly(length) if length else b""
        return Answer(status=status, headers=headers, body=body)
