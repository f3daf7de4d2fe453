"""Consent and tokens as Atlassian's authorization server gives them: OAuth 2.0 (3LO)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ticketgen_export.jira_stub.answers import RefusedError, answer, nothing
from ticketgen_export.jira_stub.nouns import Account
from ticketgen_export.jira_stub.site import Site

__all__ = ["Client", "Grant", "OAuth"]

AUDIENCE = "api.atlassian.com"


@dataclass(frozen=True, kw_only=True)
class Client:
    """A registered app."""

    id: str
    secret: str = field(repr=False)
    redirect_uris: frozenset[str]


@dataclass(kw_only=True)
class Grant:
    """What one consent led to; all its tokens are one family and end together."""

    client: str
    account_id: str
    scopes: frozenset[str]
    is_revoked: bool = False


@dataclass(frozen=True, kw_only=True)
class _Code:
    grant: Grant
    redirect_uri: str
    challenge: str | None
    expires_at: float


@dataclass(kw_only=True)
class _Token:
    grant: Grant
    expires_at: float
    used_at: float | None = None


class OAuth:
    """The clients, codes and tokens; secrets are made at random and never by the seed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.clients: dict[str, Client] = {}
        self.consenting: str | None = None
        """E-mail of who consents; None is the first account."""
        self.grants: list[Grant] = []
        """Every consent that was given, revoked or not."""
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Token] = {}
        self._refresh: dict[str, _Token] = {}

    def register(self, *redirect_uris: str) -> Client:
        """A new app with an id and a secret."""
        client = Client(
            id=secrets.token_urlsafe(24),
            secret=secrets.token_urlsafe(48),
            redirect_uris=frozenset(redirect_uris),
        )
        self.clients[client.id] = client
        return client

    def grant_of(self, access_token: str) -> Grant | None:
        """What the token is good for; None if it is unknown, expired or revoked."""
        token = self._access.get(access_token)
        if token is None or token.grant.is_revoked or token.expires_at <= self._site.clock():
            return None
        return token.grant

    def issue_tokens(self, client: Client, account: Account, scopes: frozenset[str]) -> Any:
        """Tokens without a consent, for tests: what the token endpoint would answer."""
        return self._tokens(self._granted(client, account, scopes))

    def expire_access_tokens(self) -> None:
        """Let every access token be expired; refresh tokens go on."""
        self._access.clear()

    def revoke_grants(self) -> None:
        """Let every consent be withdrawn, as a person does in the settings of the account."""
        for grant in self.grants:
            grant.is_revoked = True

    # -- endpoints ---------------------------------------------------------------------------

    async def authorize(self, request: Request) -> Response:
        """Back to the app with a code: the person consents at once, unless set to refuse."""
        query = request.query_params
        client = self.clients.get(query.get("client_id", ""))
        redirect_uri = query.get("redirect_uri", "")
        if client is None or redirect_uri not in client.redirect_uris:
            # Nothing is ever sent to an address that is not registered.
            raise RefusedError(
                400, body=_oauth_error("invalid_request", "redirect_uri or client_id")
            )
        problem = _authorize_problem(query)
        state = {"state": query["state"]} if "state" in query else {}
        if problem is None and self._site.behaviour.consent == "deny":
            problem = ("access_denied", "User did not authorize the request")
        if problem is not None:
            back = {"error": problem[0], "error_description": problem[1], **state}
            return RedirectResponse(f"{redirect_uri}?{urlencode(back)}", 302)
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(
            grant=self._granted(client, self._who(), frozenset(query["scope"].split())),
            redirect_uri=redirect_uri,
            challenge=query.get("code_challenge"),
            expires_at=self._site.clock() + self._site.behaviour.code_life.total_seconds(),
        )
        back = {"code": code, **state}
        return RedirectResponse(f"{redirect_uri}?{urlencode(back)}", 302)

    async def token(self, request: Request) -> Response:
        """Tokens for a code or for a refresh token."""
        body = await _body(request)
        client = self._authenticated(body)
        kind = body.get("grant_type")
        if kind == "authorization_code":
            return answer(self._tokens(self._redeemed(client, body)))
        if kind == "refresh_token":
            return answer(self._tokens(self._refreshed(client, body)))
        raise RefusedError(400, body=_oauth_error("unsupported_grant_type", f"Unsupported: {kind}"))

    async def resources(self, request: Request) -> Response:
        """The sites that the access token reaches: this one."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.grant_of(token) if scheme.casefold() == "bearer" else None
        if grant is None:
            raise RefusedError(401, body={"code": 401, "message": "Unauthorized"})
        base = str(request.base_url).rstrip("/")
        site = {
            "id": self._site.cloud_id,
            "name": "stand-in",
            "url": base,
            "scopes": sorted(grant.scopes - {"offline_access"}),
            "avatarUrl": f"{base}/images/site",
        }
        return answer([site])

    async def revoke(self, request: Request) -> Response:
        """200, also for a token that is not known; the whole family of the token ends.

        Atlassian does not document the endpoint; its server metadata names it.
        """
        body = await _body(request)
        self._authenticated(body)
        for tokens in (self._refresh, self._access):
            if body.get("token") in tokens:
                tokens[str(body["token"])].grant.is_revoked = True
        return nothing(200)

    # -- what they do ------------------------------------------------------------------------

    def _granted(self, client: Client, account: Account, scopes: frozenset[str]) -> Grant:
        grant = Grant(client=client.id, account_id=account.account_id, scopes=scopes)
        self.grants.append(grant)
        return grant

    def _who(self) -> Account:
        accounts = self._site.accounts
        if not accounts:
            raise RefusedError(400, body=_oauth_error("access_denied", "The site has no account"))
        wanted = (self.consenting or next(iter(accounts))).casefold()
        return accounts[wanted]

    def _authenticated(self, body: Mapping[str, Any]) -> Client:
        client = self.clients.get(str(body.get("client_id", "")))
        sent = str(body.get("client_secret", ""))
        if client is None or not hmac.compare_digest(client.secret.encode(), sent.encode()):
            raise RefusedError(401, body=_oauth_error("access_denied", "Unauthorized"))
        return client

    def _redeemed(self, client: Client, body: Mapping[str, Any]) -> Grant:
        code = self._codes.pop(str(body.get("code", "")), None)
        verifier = str(body.get("code_verifier", ""))
        if (
            code is None
            or code.grant.client != client.id
            or code.expires_at <= self._site.clock()
            or code.redirect_uri != body.get("redirect_uri")
            or (code.challenge is not None and _challenge(verifier) != code.challenge)
        ):
            raise RefusedError(
                403, body=_oauth_error("invalid_grant", "Invalid authorization code")
            )
        return code.grant

    def _refreshed(self, client: Client, body: Mapping[str, Any]) -> Grant:
        token = self._refresh.get(str(body.get("refresh_token", "")))
        now = self._site.clock()
        if token is None or token.grant.client != client.id:
            raise RefusedError(
                403, body=_oauth_error("invalid_grant", "Unknown or invalid refresh token.")
            )
        leeway = self._site.behaviour.refresh_leeway.total_seconds()
        if token.used_at is not None and now > token.used_at + leeway:
            token.grant.is_revoked = True
        if token.grant.is_revoked or token.expires_at <= now:
            raise RefusedError(
                403, body=_oauth_error("unauthorized_client", "refresh_token is invalid")
            )
        if token.used_at is None:
            token.used_at = now
        return token.grant

    def _tokens(self, grant: Grant) -> dict[str, Any]:
        behaviour, now = self._site.behaviour, self._site.clock()
        access = secrets.token_urlsafe(48)
        life = behaviour.access_token_life.total_seconds()
        self._access[access] = _Token(grant=grant, expires_at=now + life)
        tokens: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(life),
            "scope": " ".join(sorted(grant.scopes)),
        }
        if "offline_access" in grant.scopes:
            refresh = secrets.token_urlsafe(48)
            ends = now + behaviour.refresh_token_life.total_seconds()
            self._refresh[refresh] = _Token(grant=grant, expires_at=ends)
            tokens["refresh_token"] = refresh
        return tokens


def _authorize_problem(query: Mapping[str, str]) -> tuple[str, str] | None:
    if query.get("response_type") != "code":
        return "unsupported_response_type", "response_type has to be code"
    if query.get("audience") != AUDIENCE:
        return "invalid_request", f"audience has to be {AUDIENCE}"
    if not query.get("scope", "").split():
        return "invalid_scope", "scope is missing"
    if not query.get("state"):
        return "invalid_request", "state is missing"
    if "code_challenge" in query and query.get("code_challenge_method") != "S256":
        return "invalid_request", "code_challenge_method has to be S256"
    return None


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def _body(request: Request) -> Mapping[str, Any]:
    """JSON or a form: Atlassian takes both."""
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        async with request.form() as form:
            return {key: value for key, value in form.items() if isinstance(value, str)}
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusedError(400, body=_oauth_error("invalid_request", "The body is no JSON object"))
    return body


def _oauth_error(error: str, description: str) -> dict[str, str]:
    return {"error": error, "error_description": description}
