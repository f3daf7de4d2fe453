"""OAuth 2.0 (3LO) as Atlassian speaks it: where a user is sent, and what codes are good for.

https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from ticketgen_export.connections.access import Access
from ticketgen_export.connections.addresses import site_address
from ticketgen_export.connections.sites import Http, fetch, plain
from ticketgen_export.errors import OAuthNotSetUpError, SiteAddressError, SiteUnreachableError
from ticketgen_export.settings import ExportSettings

__all__ = ["SCOPES", "GrantedSite", "GrantedTokens", "OAuth", "RefusedGrantError"]

SCOPES = (
    "read:jira-user",
    "read:jira-work",
    "write:jira-work",
    # Boards and sprints, of which the classic scopes know nothing.
    "read:board-scope:jira-software",
    "read:sprint:jira-software",
    "write:sprint:jira-software",
    "read:project:jira",
    "offline_access",
)
"""What an export needs; an application has to be registered with all but the last."""


class RefusedGrantError(Exception):
    """A code or a refresh token is not taken; `code` is the error of RFC 6749, never a secret."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class GrantedTokens:
    """What the token endpoint gives."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int
    """Seconds, from the moment it was asked."""
    scopes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class GrantedSite:
    """A site the user has let us into."""

    cloud_id: str
    url: str
    name: str
    api_url: str
    scopes: frozenset[str]


class OAuth:
    """The OAuth application that an operator has registered."""

    def __init__(self, http: Http, settings: ExportSettings) -> None:
        self._http = http
        self._settings = settings

    @property
    def timeout(self) -> timedelta:
        """Longest that one answer may take."""
        return self._settings.jira_timeout

    @property
    def redirect_uri(self) -> str:
        """Where the browser comes back to, as it is registered."""
        return self._settings.oauth_redirect_uri

    def authorize_url(self, *, state: str, verifier: str) -> str:
        """Where the user's browser goes to give consent.

        Raises:
            OAuthNotSetUpError: no application is registered.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        client_id, _ = self._client()
        url: str = prepare_grant_uri(
            self._settings.oauth_authorize_url,
            client_id,
            "code",
            redirect_uri=self._settings.oauth_redirect_uri,
            scope=" ".join(SCOPES),
            state=state,
            audience="api.atlassian.com",
            prompt="consent",
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    async def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> GrantedTokens:
        """The tokens for a code that the browser came back with.

        Raises:
            RefusedGrantError: the code is not good, or not with this verifier.
            OAuthNotSetUpError: the application's id or secret is wrong.
            SiteUnreachableError: no answer came.
        """
        return await self._ask(
            grant_type="authorization_code",
            code=code,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
        )

    async def refresh(self, refresh_token: str) -> GrantedTokens:
        """New tokens for a refresh token, which is used up by it; raises as `exchange`."""
        return await self._ask(grant_type="refresh_token", refresh_token=refresh_token)

    async def sites(self, access_token: str) -> Sequence[GrantedSite]:
        """The sites of Jira that the tokens are good for, in Atlassian's order.

        Raises:
            SiteUnreachableError: no answer came.
        """
        url = self._settings.oauth_resources_url
        bearer = Access(
            api_url=url, site_url=url, authorization=f"Bearer {access_token}", scopes=None
        )
        status, answer = await fetch(self._http, "GET", url, access=bearer)
        if status != 200:
            raise _unexpected(status)
        base = self._settings.oauth_api_url
        found = [
            _site(item, base)
            for item in answer.get("items", [])
            # Sites of Confluence are listed too.
            if any("jira" in scope for scope in item.get("scopes", []))
        ]
        return [site for site in found if site is not None]

    async def revoke(self, refresh_token: str) -> bool:
        """Tell the provider that a token is not needed any more; whether it has taken note.

        Raises:
            SiteUnreachableError: no answer came.
        """
        url = self._settings.oauth_revoke_url
        client_id, secret = self._client()
        form = {
            "client_id": client_id,
            "client_secret": secret.get_secret_value(),
            "token": refresh_token,
            "token_type_hint": "refresh_token",
        }
        status, _ = await fetch(self._http, "POST", url, data=form)
        return status == 200

    def _client(self) -> tuple[str, SecretStr]:
        client_id, secret = self._settings.oauth_client_id, self._settings.oauth_client_secret
        if client_id is None or secret is None:
            raise OAuthNotSetUpError(
                "No OAuth application is registered for this system.",
                recovery_actions=[
                    "Connect with an API token instead.",
                    "An administrator registers an application with Atlassian and sets "
                    "TICKETGEN_EXPORT_OAUTH_CLIENT_ID and TICKETGEN_EXPORT_OAUTH_CLIENT_SECRET; "
                    "see the page on connecting Jira.",
                ],
            )
        return client_id, secret

    async def _ask(self, **form: str) -> GrantedTokens:
        client_id, secret = self._client()
        status, answer = await fetch(
            self._http,
            "POST",
            self._settings.oauth_token_url,
            data={**form, "client_id": client_id, "client_secret": secret.get_secret_value()},
        )
        if status == 200:
            return _granted(answer)
        code = str(answer.get("error", ""))[:100]
        # `unauthorized_client` is what Atlassian says of a refresh token that was revoked.
        if status == 401 or code == "invalid_client":
            raise OAuthNotSetUpError(
                f"Atlassian does not know the registered OAuth application ({code}).",
                recovery_actions=[
                    "An administrator compares TICKETGEN_EXPORT_OAUTH_CLIENT_ID and "
                    "TICKETGEN_EXPORT_OAUTH_CLIENT_SECRET with Atlassian's developer console."
                ],
            )
        if status not in {400, 403}:
            raise _unexpected(status)
        raise RefusedGrantError(code or str(status))


def _granted(answer: Mapping[str, Any]) -> GrantedTokens:
    access, refresh = answer.get("access_token"), answer.get("refresh_token")
    lasts = answer.get("expires_in", 0)
    if not isinstance(access, str) or not access or not isinstance(lasts, int | float | str):
        raise _unexpected(200)
    try:
        expires_in = int(lasts)
    except ValueError:
        raise _unexpected(200) from None
    return GrantedTokens(
        access_token=access,
        refresh_token=refresh if isinstance(refresh, str) and refresh else None,
        expires_in=expires_in,
        scopes=frozenset(str(answer.get("scope", "")).split()),
    )


def _site(item: Mapping[str, Any], base: str) -> GrantedSite | None:
    cloud_id = str(item.get("id", ""))
    try:
        url = site_address(str(item.get("url", "")))
    except SiteAddressError:
        return None
    return GrantedSite(
        cloud_id=cloud_id[:100],
        url=url[:300],
        name=plain(str(item.get("name") or url))[:200],
        api_url=f"{base}/ex/jira/{cloud_id}"[:300],
        scopes=frozenset(map(str, item.get("scopes", []))),
    )


def _unexpected(status: int) -> SiteUnreachableError:
    return SiteUnreachableError(
        f"The server that gives tokens answers with something unexpected ({status}).",
        recovery_actions=["Try again in a moment."],
    )
