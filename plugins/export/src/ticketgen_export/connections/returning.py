"""How a command learns that the user is back from Atlassian: it listens, or the API does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from ticketgen import Host
from ticketgen.errors import TicketgenError
from ticketgen_export.connections import keeping
from ticketgen_export.connections.addresses import is_loopback
from ticketgen_export.connections.pages import answer_page
from ticketgen_export.connections.service import Begun, Connections
from ticketgen_export.connections.stored import Connection
from ticketgen_export.errors import AuthorizationRefusedError, AuthorizationStateError

__all__ = ["returned"]

_NOTHING_HERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_LONGEST_REQUEST = 16 * 1024
_LOOK_SECONDS = 0.5
_SETTLED_SECONDS = 60.0
"""So long the API may take from the user's return to the connection."""


async def returned(
    host: Host,
    connections: Connections,
    user_id: UUID,
    begun: Begun,
    *,
    show: Callable[[str], None],
) -> Connection:
    """The connection that comes of an authorization, whose address `show` gets.

    If the callback is an address of this machine at which nothing listens, this listens there;
    otherwise the API takes the browser in, and this looks for what came of it.

    Raises:
        AuthorizationStateError: nobody came back in time.
        AuthorizationRefusedError: somebody did, and was not connected.
    """
    # One that was there goes on with its id, and is checked anew.
    known = {(one.id, one.checked_at) for one in await _of_user(host, user_id)}
    back: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
    try:
        async with (
            asyncio.timeout(begun.seconds),
            _listening(connections, host.settings.oauth_redirect_uri, back) as listens,
        ):
            show(begun.authorize_url)
            return await (back if listens else _appeared(host, user_id, begun, known))
    except TimeoutError:
        raise AuthorizationStateError(
            "Nobody came back from Atlassian in time.",
            recovery_actions=["Begin again; you have ten minutes to give consent."],
        ) from None


async def _of_user(host: Host, user_id: UUID) -> list[Connection]:
    async with host.unit_of_work() as work:
        return list(await keeping.list_connections(work.db, of=user_id))


async def _appeared(
    host: Host, user_id: UUID, begun: Begun, known: set[tuple[UUID, datetime | None]]
) -> Connection:
    """Look until the API has used the state up, and then for the new or renewed connection."""
    while True:
        async with host.unit_of_work() as work:
            if not await keeping.is_pending(work.db, begun.state_hash):
                break
        await asyncio.sleep(_LOOK_SECONDS)
    for _ in range(int(_SETTLED_SECONDS / _LOOK_SECONDS)):
        for connection in await _of_user(host, user_id):
            if (connection.id, connection.checked_at) not in known:
                return connection
        await asyncio.sleep(_LOOK_SECONDS)
    raise AuthorizationRefusedError(
        "You came back, and nothing was connected.",
        recovery_actions=["The page in the browser says why."],
    )


@asynccontextmanager
async def _listening(
    connections: Connections, redirect_uri: str, back: asyncio.Future[Connection]
) -> AsyncIterator[bool]:
    place = urlsplit(redirect_uri)
    if place.scheme != "http" or not is_loopback(place.hostname or ""):
        yield False
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            response, outcome = await _answered(reader, connections, place.path)
            writer.write(response)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            outcome = None  # a browser that has left, or is none
        finally:
            writer.close()
        # Of a foreign state nothing is told: whoever began goes on to wait.
        if outcome is None or isinstance(outcome, AuthorizationStateError) or back.done():
            return
        if isinstance(outcome, TicketgenError):
            back.set_exception(outcome)
        else:
            back.set_result(outcome)

    try:
        server = await asyncio.start_server(
            answer, place.hostname, place.port or 80, limit=_LONGEST_REQUEST
        )
    except OSError:
        yield False  # the API listens there
        return
    async with server:
        yield True


async def _answered(
    reader: asyncio.StreamReader, connections: Connections, path: str
) -> tuple[bytes, Connection | TicketgenError | None]:
    head = await reader.readuntil(b"\r\n\r\n")
    method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    target = urlsplit(rest.partition(" ")[0])
    if method != "GET" or target.path != path:
        return _NOTHING_HERE, None
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    outcome: Connection | TicketgenError
    owner = ""
    try:
        outcome = await connections.finish_oauth(
            state=query.get("state"), code=query.get("code"), error=query.get("error")
        )
        owner = await connections.owner_name(outcome)
    except TicketgenError as problem:
        outcome = problem
    response = answer_page(outcome, owner=owner)
    lines = [
        f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}".encode(),
        *(name + b": " + value for name, value in response.raw_headers),
        b"connection: close",
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(response.body), outcome
