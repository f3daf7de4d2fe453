"""What users do with their connections: connect, come back from Atlassian, check, log out."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import Host
from ticketgen.domain import audit
from ticketgen.domain.users import names_of
from ticketgen.errors import AdminRequiredError, NotFoundError
from ticketgen.tables import new_id
from ticketgen_export.connections import keeping
from ticketgen_export.connections.access import Access
from ticketgen_export.connections.addresses import site_address
from ticketgen_export.connections.oauth import (
    GrantedSite,
    GrantedTokens,
    OAuth,
    RefusedGrantError,
)
from ticketgen_export.connections.renewing import Renewer, Source
from ticketgen_export.connections.sites import (
    Account,
    Http,
    basic,
    first_look,
    permissions_in,
    whoami,
)
from ticketgen_export.connections.stored import Connection, ConnectionKind, PendingAuthorization
from ticketgen_export.connections.tokens import Tokens, keep_tokens, read_tokens
from ticketgen_export.errors import (
    AuthorizationRefusedError,
    AuthorizationStateError,
    SiteRefusedError,
    SiteUnreachableError,
)

__all__ = ["Begun", "Checked", "Connections"]

_log = structlog.get_logger(__name__)

_WAY_BACK = timedelta(minutes=10)
"""So long a user may take to give consent."""

_TRIES = 3
"""As it is, renewed, and confirmed."""


@dataclass(frozen=True, kw_only=True)
class Begun:
    """Where to send the user, and until when the way back is open."""

    authorize_url: str
    expires_at: datetime
    seconds: float
    """So long the way back is open from now."""
    state_hash: bytes


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a site says of a connection now."""

    connection: Connection
    permissions: dict[str, bool] | None
    """In the project that was asked about; None if none was, or there is none of that key."""


class Connections:
    """The connections of users as they change; each change is a transaction of its own.

    No transaction is open while a site is asked: whoever calls has none open either.
    """

    def __init__(self, host: Host, http: Http, oauth: OAuth, renewer: Renewer) -> None:
        self._host = host
        self._http = http
        self._oauth = oauth
        self._renewer = renewer

    async def connect(
        self, user_id: UUID, *, site_url: str, email: str, token: str, name: str | None = None
    ) -> Connection:
        """Ask the site with an API token, and keep it if the site lets it in.

        Raises:
            SiteAddressError: the address is none that may be asked.
            SiteRefusedError: the site does not take e-mail address and token, or is no Jira.
            ConfigurationError: the host has no key to seal the token with.
        """
        site = site_address(site_url)
        access = Access(api_url=site, site_url=site, authorization=basic(email, token), scopes=None)
        account = await first_look(self._http, access)
        if account is None:
            raise SiteRefusedError(
                f"{site} does not take this e-mail address and token.",
                recovery_actions=[
                    "Compare the e-mail address with the one you log in to Atlassian with.",
                    "Make a new token at "
                    "https://id.atlassian.com/manage-profile/security/api-tokens",
                ],
            )
        connection = Connection(
            id=new_id(),
            user_id=user_id,
            kind=ConnectionKind.API_TOKEN,
            name=name or f"{account.name} on {_host(site)}"[:200],
            site_url=site,
            api_url=site,
            account_id=account.id,
            account_name=account.name,
            email=email,
        )
        return await self._keep(connection, Tokens(access_token=token), name=name)

    async def begin_oauth(self, user_id: UUID, *, site_url: str | None = None) -> Begun:
        """Let a user go to Atlassian, and remember by what they may come back, once.

        Raises:
            SiteAddressError: the address of the wanted site is none.
            OAuthNotSetUpError: no application is registered.
            ConfigurationError: the host has no key to seal the verifier with.
        """
        from authlib.common.security import generate_token

        wanted = None if site_url is None else site_address(site_url)
        state, verifier = secrets.token_urlsafe(32), generate_token(64)
        url = self._oauth.authorize_url(state=state, verifier=verifier)
        async with self._host.unit_of_work() as work:
            await self._forget_expired(work.db)
            now = datetime.fromtimestamp(await keeping.seconds_now(work.db), UTC)
            pending = PendingAuthorization(
                state_hash=_hashed(state),
                user_id=user_id,
                redirect_uri=self._oauth.redirect_uri,
                site_url=wanted,
                expires_at=now + _WAY_BACK,
            )
            work.db.add(pending)
            await self._host.vault.keep(
                work.db,
                pending.secret_name,
                verifier,
                user_id=user_id,
                expires_at=pending.expires_at,
            )
            audit.record(work.db, "connection.authorization_begun", actor_id=user_id)
        return Begun(
            authorize_url=url,
            expires_at=pending.expires_at,
            seconds=_WAY_BACK.total_seconds(),
            state_hash=pending.state_hash,
        )

    async def finish_oauth(
        self, *, state: str | None, code: str | None, error: str | None
    ) -> Connection:
        """Take what Atlassian sent a user back with, and keep one connection.

        Raises:
            AuthorizationStateError: the state is unknown, was used before, or is too old.
            AuthorizationRefusedError: no consent, no tokens, or none for the wanted site.
            SiteUnreachableError: Atlassian does not answer.
        """
        pending, verifier = await self._taken(state)
        if error is not None or not code:
            raise _not_granted(error)
        try:
            granted = await self._oauth.exchange(
                code, verifier=verifier, redirect_uri=pending.redirect_uri
            )
        except RefusedGrantError as refused:
            raise _not_granted(refused.code) from None
        site = _chosen(await self._oauth.sites(granted.access_token), pending.site_url)
        connection = _of_grant(pending, site, granted)
        access = Access(
            api_url=site.api_url,
            site_url=site.url,
            authorization=f"Bearer {granted.access_token}",
            scopes=granted.scopes,
        )
        account = await whoami(self._http, access)
        if account is None:
            raise _not_granted("invalid_token")
        connection.account_id, connection.account_name = account.id, account.name
        tokens = Tokens(access_token=granted.access_token, refresh_token=granted.refresh_token)
        return await self._keep(connection, tokens, lasts=granted.expires_in)

    async def owner_name(self, connection: Connection) -> str:
        """What the user is called whose connection it is."""
        async with self._host.unit_of_work() as work:
            names = await names_of(work.db, [connection.user_id])
        return names.get(connection.user_id, "nobody")

    async def check(
        self, user_id: UUID, connection_id: UUID, *, project_key: str | None = None
    ) -> Checked:
        """Ask the site who is let in, and what may be done in a project.

        A connection that was lost and works again is good again.

        Raises:
            NotFoundError: the user has no such connection.
            ConnectionLostError: it does not work.
            SiteRefusedError: the site answers, and not as Jira does.
            SiteUnreachableError: it does not answer.
        """
        async with self._host.unit_of_work() as work:
            await keeping.get_connection(work.db, connection_id, of=user_id)
        source = Source(connection_id, renewer=self._renewer, though_lost=True)
        account, access = await self._admitted(source)
        permissions = None
        if project_key is not None:
            permissions = await permissions_in(self._http, access, project_key)
        async with self._host.unit_of_work() as work:
            await keeping.mark_checked(
                work.db, connection_id, account_id=account.id, account_name=account.name
            )
            audit.record(work.db, "connection.checked", actor_id=user_id, subject=connection_id)
            connection = await keeping.get_connection(work.db, connection_id, of=user_id)
        return Checked(connection=connection, permissions=permissions)

    async def _admitted(self, source: Source) -> tuple[Account, Access]:
        access = await source.current()
        for _ in range(_TRIES):
            account = await whoami(self._http, access)
            if account is not None:
                return account, access
            access = await source.renewed(access)  # the second time it is lost, or good
        raise SiteUnreachableError(
            f"{access.site_url} refuses an access that it has just confirmed.",
            recovery_actions=["Try again in a moment."],
        )

    async def disconnect(
        self, connection_id: UUID, *, actor_id: UUID | None, of: UUID | None
    ) -> bool:
        """Forget a connection and its tokens; whether the provider was told to revoke them.

        The tokens are gone here whatever the provider says. `of` is the user whose it must be.

        Raises:
            NotFoundError: there is no such connection, or it is somebody else's.
        """
        async with self._host.unit_of_work() as work:
            connection = await keeping.get_connection(work.db, connection_id, of=of, lock="change")
            refresh_token = await self._refresh_token(work.db, connection)
            await self._host.vault.forget(
                work.db, connection.secret_name, user_id=connection.user_id
            )
            await keeping.delete_connection(work.db, connection_id)
            _record(work.db, "connection.deleted", connection, actor_id=actor_id)
        if refresh_token is None:
            return False
        try:
            return await self._oauth.revoke(refresh_token)
        except SiteUnreachableError:
            _log.warning("token_not_revoked", connection=str(connection_id))
            return False

    async def _refresh_token(self, db: AsyncSession, connection: Connection) -> str | None:
        if connection.kind is not ConnectionKind.OAUTH:
            return None
        try:
            return (await read_tokens(db, self._host.vault, connection)).refresh_token
        except (NotFoundError, AdminRequiredError):  # a logout works without a key, too
            return None

    async def _keep(
        self,
        new: Connection,
        tokens: Tokens,
        *,
        name: str | None = None,
        lasts: int | None = None,
    ) -> Connection:
        """Keep a connection; one of the same account to the same site goes on with new tokens."""
        async with self._host.unit_of_work() as work:
            now = await keeping.seconds_now(work.db)
            there = await keeping.connection_like(work.db, new)
            kept = new if there is None else there
            if there is None:
                work.db.add(new)
            elif name is not None:
                kept.name = name
            kept.site_url, kept.account_name = new.site_url, new.account_name
            kept.email, kept.scopes, kept.cloud_id = new.email, new.scopes, new.cloud_id
            kept.checked_at = func.clock_timestamp()
            kept.expires_at = None if lasts is None else now + lasts
            # Whoever renews the old tokens at this moment comes too late.
            kept.renewal_id = kept.renewal_until = None
            kept.lost_at = kept.lost_reason = None
            await keep_tokens(work.db, self._host.vault, kept, tokens, now=now)
            action = "connection.created" if there is None else "connection.renewed"
            _record(work.db, action, kept, actor_id=kept.user_id)
            await work.db.flush()
            await work.db.refresh(kept)
        return kept

    async def _taken(self, state: str | None) -> tuple[PendingAuthorization, str]:
        """The pending authorization of a state, used up whatever comes of it."""
        verifier = None
        async with self._host.unit_of_work() as work:
            taken = await keeping.take_authorization(work.db, _hashed(state or ""))
            if taken is not None:
                pending, in_time = taken
                name, user_id = pending.secret_name, pending.user_id
                if in_time:
                    verifier = await self._host.vault.read(work.db, name, user_id=user_id)
                await self._host.vault.forget(work.db, name, user_id=user_id)
        if taken is None or verifier is None:
            raise AuthorizationStateError(
                "This way back from Atlassian is unknown, was used before, or is too old.",
                recovery_actions=["Begin again; you have ten minutes to give consent."],
            )
        return taken[0], verifier

    async def _forget_expired(self, db: AsyncSession) -> None:
        for gone in await keeping.delete_expired_authorizations(db):
            await self._host.vault.forget(db, gone.secret_name, user_id=gone.user_id)


def _hashed(state: str) -> bytes:
    return hashlib.sha256(state.encode(errors="replace")).digest()


def _host(site: str) -> str:
    return site.partition("://")[2]


def _chosen(sites: Sequence[GrantedSite], wanted: str | None) -> GrantedSite:
    for site in sites:
        if wanted is None or site.url == wanted:
            return site
    if sites:
        raise AuthorizationRefusedError(
            f"You have not let ticketgen into {wanted}.",
            recovery_actions=[
                "Begin again, and choose this site on Atlassian's page.",
                f"You chose: {', '.join(site.url for site in sites)}.",
            ],
        )
    raise AuthorizationRefusedError(
        "Your account reaches no site of Jira.",
        recovery_actions=["Begin again with the account you use Jira with."],
    )


def _of_grant(
    pending: PendingAuthorization, site: GrantedSite, granted: GrantedTokens
) -> Connection:
    return Connection(
        id=new_id(),
        user_id=pending.user_id,
        kind=ConnectionKind.OAUTH,
        name=site.name,
        site_url=site.url,
        api_url=site.api_url,
        cloud_id=site.cloud_id,
        scopes=sorted(granted.scopes or site.scopes),
    )


def _not_granted(code: str | None) -> AuthorizationRefusedError:
    if code == "access_denied":
        message = "You did not consent, so nothing was connected."
    else:
        message = "Atlassian did not take the way back, so nothing was connected."
    return AuthorizationRefusedError(
        message,
        recovery_actions=["Begin again if you want to connect."],
        technical_details={"error": (code or "no code")[:100]},
    )


def _record(
    db: AsyncSession, action: str, connection: Connection, *, actor_id: UUID | None
) -> None:
    audit.record(
        db,
        action,
        actor_id=actor_id,
        subject=connection.id,
        details={
            "kind": connection.kind.value,
            "site": connection.site_url,
            "account": connection.account_name,
            "user": str(connection.user_id),
        },
    )
