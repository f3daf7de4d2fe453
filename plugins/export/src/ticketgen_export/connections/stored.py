"""The tables of connections: what is known of each, and authorizations that have not come back.

Tokens are not here: they are in the vault, under the names below.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.domain.users import User
from ticketgen.tables import new_id, words
from ticketgen_export.stored import Base

__all__ = ["Connection", "ConnectionKind", "PendingAuthorization"]


class ConnectionKind(StrEnum):
    """How a connection proves who it is."""

    API_TOKEN = "api_token"  # noqa: S105 - a kind, no token
    """An e-mail address and a token that its user made."""
    OAUTH = "oauth"
    """Tokens that Atlassian gave us with the user's consent."""


class Connection(Base):
    """One user's access to one Jira site."""

    __tablename__ = "export_connections"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    kind: Mapped[ConnectionKind] = mapped_column(words(ConnectionKind))
    name: Mapped[str] = mapped_column(String(200))
    site_url: Mapped[str] = mapped_column(String(300))
    api_url: Mapped[str] = mapped_column(String(300))
    cloud_id: Mapped[str | None] = mapped_column(String(100))
    account_id: Mapped[str] = mapped_column(String(200))
    account_name: Mapped[str] = mapped_column(String(300))
    email: Mapped[str | None] = mapped_column(String(300))
    scopes: Mapped[list[Any] | None]
    """What OAuth has granted; None for an API token."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    checked_at: Mapped[datetime | None]
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    """When the access token expires, in seconds since 1970; None if it does not."""
    renewal_id: Mapped[UUID | None]
    """Who renews the tokens at this moment, if anybody does."""
    renewal_until: Mapped[datetime | None]
    """Until when it is waited for."""
    lost_at: Mapped[datetime | None]
    lost_reason: Mapped[str | None] = mapped_column(Text)

    @property
    def secret_name(self) -> str:
        """What its tokens are called in the vault, where they are its user's."""
        return f"connection:{self.id}"


class PendingAuthorization(Base):
    """A user who was sent to Atlassian and has not come back; each state is used once."""

    __tablename__ = "export_authorizations"

    state_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str] = mapped_column(String(500))
    site_url: Mapped[str | None] = mapped_column(String(300))
    """The site that was asked for; None: the first one that is granted."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime] = mapped_column(index=True)

    @property
    def secret_name(self) -> str:
        """What its PKCE verifier is called in the vault, where it is its user's."""
        return f"authorization:{self.state_hash.hex()}"
