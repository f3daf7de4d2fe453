"""What the vault keeps of a connection, and the access that follows from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import Vault
from ticketgen_export.connections.access import Access
from ticketgen_export.connections.sites import basic
from ticketgen_export.connections.stored import Connection, ConnectionKind

__all__ = ["Tokens", "access_of", "keep_tokens", "read_tokens"]

_UNUSED = timedelta(days=90)
"""So long Atlassian keeps a refresh token that is not used:
https://developer.atlassian.com/cloud/oauth/getting-started/refresh-tokens/"""


class Tokens(BaseModel):
    """The secrets of one connection; kept as one, so that they are replaced as one."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(repr=False)
    """The API token, or the access token of OAuth."""
    refresh_token: str | None = Field(default=None, repr=False)


async def keep_tokens(
    db: AsyncSession, vault: Vault, connection: Connection, tokens: Tokens, *, now: int
) -> None:
    """Seal the tokens of a connection, in the place of earlier ones."""
    lasts = connection.kind is ConnectionKind.OAUTH
    await vault.keep(
        db,
        connection.secret_name,
        tokens.model_dump_json(),
        user_id=connection.user_id,
        expires_at=datetime.fromtimestamp(now, UTC) + _UNUSED if lasts else None,
    )


async def read_tokens(db: AsyncSession, vault: Vault, connection: Connection) -> Tokens:
    """The tokens of a connection.

    Raises:
        NotFoundError: there are none any more.
        AdminRequiredError: they cannot be opened.
    """
    return Tokens.model_validate_json(
        await vault.read(db, connection.secret_name, user_id=connection.user_id)
    )


def access_of(connection: Connection, tokens: Tokens) -> Access:
    """What calls to the site are made with."""
    if connection.kind is ConnectionKind.API_TOKEN:
        authorization = basic(connection.email or "", tokens.access_token)
    else:
        authorization = f"Bearer {tokens.access_token}"
    return Access(
        api_url=connection.api_url,
        site_url=connection.site_url,
        authorization=authorization,
        scopes=None if connection.scopes is None else frozenset(connection.scopes),
    )
