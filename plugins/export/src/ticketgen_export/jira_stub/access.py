"""Who asks: an account by its API token, or an app by an access token at the gateway."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

from ticketgen_export.jira_stub.answers import RefusedError, error_collection
from ticketgen_export.jira_stub.nouns import Account
from ticketgen_export.jira_stub.oauth import OAuth
from ticketgen_export.jira_stub.site import Site

__all__ = ["admitted_by_password", "admitted_by_token", "unauthorized"]


def admitted_by_password(site: Site, headers: Mapping[str, str]) -> Account:
    """The account of an API token, at the site's own address; access tokens are for the gateway.

    Raises:
        RefusedError: 401.
    """
    scheme, _, sent = headers.get("authorization", "").partition(" ")
    try:
        email, _, token = base64.b64decode(sent, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        email, token = "", ""
    account = site.accounts.get(email.casefold())
    if (
        scheme.casefold() != "basic"
        or account is None
        or not hmac.compare_digest(account.token.encode(), token.encode())
    ):
        raise RefusedError(401, body=unauthorized(is_gateway=False))
    return account


def admitted_by_token(
    site: Site, oauth: OAuth, headers: Mapping[str, str], scopes: frozenset[str]
) -> Account:
    """The account of an access token that has the scopes, at the gateway's address.

    Raises:
        RefusedError: 401, for missing scopes too, as the gateway answers it.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    grant = oauth.grant_of(token) if scheme.casefold() == "bearer" else None
    account = site.account(grant.account_id) if grant is not None else None
    if grant is None or account is None:
        raise RefusedError(401, body=unauthorized(is_gateway=True))
    if not scopes <= grant.scopes:
        message = "Unauthorized; scope does not match"
        raise RefusedError(401, body={"code": 401, "message": message})
    return account


def unauthorized(*, is_gateway: bool) -> dict[str, Any]:
    """The body of a 401: Jira and the gateway before it have a form each."""
    if is_gateway:
        return {"code": 401, "message": "Unauthorized"}
    return error_collection("Client must be authenticated to access this resource.")
