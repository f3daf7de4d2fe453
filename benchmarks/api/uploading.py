"""What uploads take of the memory of the API process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from benchmarks.api.serving import ApiProcess, Person
from benchmarks.api.wire import Connection

__all__ = ["FILE_BYTES", "upload"]

FILE_BYTES = 2_000_000
"""Of each file; by default a file may have 2 MiB."""

_BOUNDARY = "benchmark"
_CHUNK = 64 * 1024


async def upload(api: ApiProcess, people: list[Person], *, files: int) -> float:
    """Let each send so many files at once; the peak of the process above where it was, in MB."""
    api.forget_peak()
    before = api.memory()
    async with asyncio.TaskGroup() as senders:
        for person in people:
            senders.create_task(_send(api, person, files))
    return api.memory("VmHWM") - before


async def _send(api: ApiProcess, person: Person, files: int) -> None:
    body = _body(files)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), _CHUNK):
            yield body[start : start + _CHUNK]

    async with Connection(host=api.host, port=api.port, token=person.token) as connection:
        answer = await connection.send(
            f"/api/sessions/{person.review}/uploads",
            pieces(),
            content_type=f"multipart/form-data; boundary={_BOUNDARY}",
            length=len(body),
        )
    if answer.status != HTTPStatus.CREATED:
        raise RuntimeError(f"refused with {answer.status}: {answer.body[:500]!r}")


def _body(files: int) -> bytes:
    sheet = _sheet()
    parts = b"".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; '
        f'filename="Bundles {number}.csv"\r\nContent-Type: text/csv\r\n\r\n'.encode()
        + sheet
        + b"\r\n"
        for number in range(files)
    )
    return parts + f"--{_BOUNDARY}--\r\n".encode()


def _sheet() -> bytes:
    """A sheet of content types with long descriptions."""
    lines = [b"Name,Machine name,Type,Description"]
    size = len(lines[0])
    number = 0
    while size < FILE_BYTES - 1_200:
        number += 1
        line = f"Kind {number},kind_{number},Content type,{'words ' * 160}".encode()
        lines.append(line)
        size += len(line) + 1
    return b"\n".join(lines) + b"\n"
