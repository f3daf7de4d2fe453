"""Access that stays good: renewed before it expires, once, however many processes need it.

A refresh token is good for one use. Whoever renews holds a lease on the connection's row, in no
transaction, and whoever comes meanwhile waits and reads again. What comes back is stored in one
transaction with the end of the lease. If a process dies in between, the next one sends the old
refresh token once more, which Atlassian takes for ten minutes:
https://community.developer.atlassian.com/t/the-old-access-token-will-be-revoked-during-the-refresh-token-exchange/83103
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import Host
from ticketgen.domain import audit
from ticketgen.errors import NotFoundError
from ticketgen_export.connections import keeping
from ticketgen_export.connections.access import Access
from ticketgen_export.connections.oauth import OAuth, RefusedGrantError
from ticketgen_export.connections.sites import Http, whoami
from ticketgen_export.connections.stored import Connection, ConnectionKind
from ticketgen_export.connections.tokens import Tokens, access_of, keep_tokens, read_tokens
from ticketgen_export.errors import ConnectionLostError, SiteUnreachableError

__all__ = ["Renewer", "Source", "lost"]

_log = structlog.get_logger(__name__)

_MARGIN_SECONDS = 60
"""So long before its end an access token is not begun with any more."""

_SPARE = timedelta(seconds=10)
"""A lease lasts so much longer than the call it is for."""

_WAITS = (0.05, 0.5)
"""First and longest pause, in seconds, while another process renews."""

_REFUSED = "Atlassian does not take the refresh token any more: it was revoked, unused or replaced."
_NO_REFRESH = "The access token has expired, and there is no refresh token (`offline_access`)."
_NO_TOKENS = "Its tokens are not kept any more."
_ACCESS_REFUSED = "The site does not take tokens that were just renewed."
_TOKEN_REFUSED = "The site does not take the API token any more."  # noqa: S105 - a sentence


@dataclass(frozen=True, kw_only=True)
class _Held:
    """A connection as it was read, with its tokens."""

    connection: Connection
    tokens: Tokens
    now: int

    @property
    def access(self) -> Access:
        return access_of(self.connection, self.tokens)

    @property
    def is_fresh(self) -> bool:
        until = self.connection.expires_at
        return until is None or self.now < until - _MARGIN_SECONDS


class Source:
    """An `AccessSource` of one connection."""

    def __init__(self, connection_id: UUID, *, renewer: Renewer, though_lost: bool = False) -> None:
        self._id = connection_id
        self._renewer = renewer
        self._though_lost = though_lost

    async def current(self) -> Access:
        """The access, renewed first if it is about to expire; raises as `AccessSource` says."""
        held = await self._read()
        if held.is_fresh:
            return held.access
        return await self._renewer.renew(self._id, refused=held.access)

    async def renewed(self, refused: Access) -> Access:
        """Another access in place of a refused one; raises as `AccessSource` says."""
        held = await self._read()
        if held.access.authorization != refused.authorization and held.is_fresh:
            access = held.access
        elif held.connection.kind is ConnectionKind.API_TOKEN:
            access = await self._asked_about(held, _TOKEN_REFUSED)
        elif refused.is_second and held.is_fresh:
            # To renew it once more would not help; refused for good, it would never be lost.
            access = await self._asked_about(held, _ACCESS_REFUSED)
        else:
            access = await self._renewer.renew(self._id, refused=held.access)
        return replace(access, is_second=True)

    async def _asked_about(self, held: _Held, reason: str) -> Access:
        if await self._renewer.is_taken(held.access):
            return held.access  # one answer among many: it is as good as ever
        await self._renewer.lose(held.connection, reason)
        return (await self._read()).access  # connected again meanwhile

    async def _read(self) -> _Held:
        return await self._renewer.read(self._id, though_lost=self._though_lost)


class Renewer:
    """Renews the tokens of connections; one per process."""

    def __init__(self, host: Host, http: Http, oauth: OAuth) -> None:
        self._host = host
        self._http = http
        self._oauth = oauth
        self._here: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._renewing: set[asyncio.Task[Access]] = set()

    async def read(self, connection_id: UUID, *, though_lost: bool = False) -> _Held:
        """A connection with its tokens.

        Raises:
            ConnectionLostError: it was deleted, is known to be lost, or its tokens are gone.
        """
        async with self._host.unit_of_work() as work:
            # Locked, or a renewal could end between the two: the end of the old access token
            # beside the new one, which would be renewed at once.
            try:
                connection = await keeping.get_connection(work.db, connection_id, lock="read")
            except NotFoundError:
                raise _deleted(connection_id) from None
            if connection.lost_at is not None and not though_lost:
                raise lost(connection)
            try:
                tokens = await read_tokens(work.db, self._host.vault, connection)
            except NotFoundError:
                pass
            else:
                now = await keeping.seconds_now(work.db)
                return _Held(connection=connection, tokens=tokens, now=now)
        await self.lose(connection, _NO_TOKENS)
        return await self.read(connection_id, though_lost=though_lost)  # connected again meanwhile

    async def renew(self, connection_id: UUID, *, refused: Access) -> Access:
        """Tokens in place of those that were refused or are about to expire.

        A cancellation does not break it off: the new refresh token would be lost.

        Raises:
            ConnectionLostError: there are none; the connection is marked as lost.
            SiteUnreachableError: whoever gives them does not answer.
        """
        task = asyncio.create_task(self._renew(connection_id, refused))
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait for what is being renewed."""
        await asyncio.gather(*self._renewing, return_exceptions=True)

    async def is_taken(self, access: Access) -> bool:
        """Whether the site still lets in who has this access.

        Raises:
            SiteUnreachableError: it does not answer.
        """
        return await whoami(self._http, access) is not None

    async def lose(
        self, connection: Connection, reason: str, *, renewal_id: UUID | None = None
    ) -> None:
        """Mark a connection as lost, unless it has got other tokens since it was read.

        Raises:
            ConnectionLostError: it is lost.
        """
        async with self._host.unit_of_work() as work:
            marked = await keeping.mark_lost(work.db, connection, reason, renewal_id=renewal_id)
            if marked:
                _record_loss(work.db, connection, reason)
        if marked:
            connection.lost_reason = reason
            raise lost(connection) from None

    async def _renew(self, connection_id: UUID, refused: Access) -> Access:
        async with self._here[connection_id]:
            pause, longest = _WAITS
            left = 2 * self._lease.total_seconds()
            while left > 0:
                async with self._host.unit_of_work() as work:
                    claimed = await keeping.claim_renewal(work.db, connection_id, lease=self._lease)
                # Read after the claim: whoever held the lease before may have renewed it.
                held = await self._read_claimed(connection_id, claimed)
                if held.is_fresh and held.access.authorization != refused.authorization:
                    await self._drop(connection_id, claimed)
                    return held.access
                if claimed is not None:
                    return await self._renew_claimed(held, claimed)
                await asyncio.sleep(pause)
                left -= pause
                pause = min(2 * pause, longest)
        raise SiteUnreachableError(
            "The connection is being renewed by another process, which takes too long.",
            recovery_actions=["Try again in a moment."],
        )

    @property
    def _lease(self) -> timedelta:
        return self._oauth.timeout + _SPARE

    async def _read_claimed(self, connection_id: UUID, claimed: UUID | None) -> _Held:
        try:
            return await self.read(connection_id, though_lost=claimed is not None)
        except BaseException:
            await self._drop(connection_id, claimed)
            raise

    async def _drop(self, connection_id: UUID, claimed: UUID | None) -> None:
        if claimed is not None:
            async with self._host.unit_of_work() as work:
                await keeping.drop_renewal(work.db, connection_id, claimed)

    async def _renew_claimed(self, held: _Held, claimed: UUID) -> Access:
        connection = held.connection
        try:
            if held.tokens.refresh_token is None:
                raise RefusedGrantError(_NO_REFRESH)
            granted = await self._oauth.refresh(held.tokens.refresh_token)
        except RefusedGrantError as error:
            reason = _NO_REFRESH if held.tokens.refresh_token is None else _REFUSED
            _log.warning("connection_lost", connection=str(connection.id), code=error.code)
            await self.lose(connection, reason, renewal_id=claimed)
            return (await self.read(connection.id)).access  # connected again meanwhile
        except BaseException:
            await self._drop(connection.id, claimed)
            raise
        tokens = Tokens(
            access_token=granted.access_token,
            refresh_token=granted.refresh_token or held.tokens.refresh_token,
        )
        async with self._host.unit_of_work() as work:
            ours = await keeping.settle_renewal(
                work.db,
                connection.id,
                claimed,
                expires_at=held.now + granted.expires_in,
                scopes=sorted(granted.scopes) or list(connection.scopes or []),
            )
            if ours:
                await keep_tokens(work.db, self._host.vault, connection, tokens, now=held.now)
        if not ours:  # we stood still for so long that another took over
            return (await self.read(connection.id)).access
        _log.info("connection_renewed", connection=str(connection.id))
        return access_of(connection, tokens)


def lost(connection: Connection) -> ConnectionLostError:
    """The error that says that a connection does not work any more, and what to do."""
    return ConnectionLostError(
        f"The connection {connection.name!r} does not work any more: "
        f"{connection.lost_reason or 'it was refused.'}",
        recovery_actions=[
            "Connect again with POST /api/export/connections (API token), POST "
            "/api/export/connections/oauth, or `ticketgen export connect`."
        ],
        technical_details={"connection": str(connection.id)},
    )


def _deleted(connection_id: UUID) -> ConnectionLostError:
    return ConnectionLostError(
        "The connection was deleted.",
        recovery_actions=["Connect again, then start the export again."],
        technical_details={"connection": str(connection_id)},
    )


def _record_loss(db: AsyncSession, connection: Connection, reason: str) -> None:
    audit.record(
        db,
        "connection.lost",
        actor_id=connection.user_id,
        subject=connection.id,
        details={"site": connection.site_url, "reason": reason},
    )
