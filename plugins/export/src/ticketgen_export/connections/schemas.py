"""What routes about connections are asked and answer; no answer holds a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ticketgen_export.connections.service import Checked
from ticketgen_export.connections.stored import Connection, ConnectionKind

__all__ = [
    "AuthorizationBegun",
    "BeginAuthorization",
    "CheckConnection",
    "ConnectionChecked",
    "ConnectionDeleted",
    "ConnectionView",
    "NewConnection",
]

_CONNECTION: dict[str, Any] = {
    "id": "0198c0de-0000-7000-8000-000000000001",
    "kind": "api_token",
    "name": "Mia Moor on harbour.atlassian.net",
    "site_url": "https://harbour.atlassian.net",
    "account_name": "Mia Moor",
    "email": "mia@example.org",
    "scopes": None,
    "created_at": "2026-01-01T09:00:00Z",
    "checked_at": "2026-01-01T09:00:00Z",
    "lost_at": None,
    "lost_reason": None,
    "user_id": "0198c0de-0000-7000-8000-000000000002",
}


class NewConnection(BaseModel):
    """An API token of the caller's, and where it is good."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "kind": "api_token",
                    "site_url": "https://harbour.atlassian.net",
                    "email": "mia@example.org",
                    "token": "the token that Atlassian has shown",
                }
            ]
        },
    )

    kind: Literal["api_token"] = "api_token"
    site_url: str = Field(max_length=300, description="The site, as https://….atlassian.net.")
    email: str = Field(min_length=3, max_length=300, pattern=r"^[^\s:\x00]+@[^\s:\x00]+$")
    token: SecretStr = Field(min_length=1, max_length=2000, description="Sealed, never shown.")
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00]+$",
        description="What you call it.",
    )


class ConnectionView(BaseModel):
    """A connection without its secrets."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_CONNECTION]})

    id: UUID
    kind: ConnectionKind
    name: str
    site_url: str
    account_name: str = Field(description="Whom the site lets in.")
    email: str | None
    scopes: list[str] | None = Field(description="What OAuth has granted; null for an API token.")
    created_at: datetime
    checked_at: datetime | None = Field(description="When the site let it in the last time.")
    lost_at: datetime | None = Field(description="Since when it does not work any more.")
    lost_reason: str | None
    user_id: UUID = Field(description="Whose it is; nobody else can use it.")

    @classmethod
    def of(cls, connection: Connection) -> ConnectionView:
        """The view of a stored connection."""
        return cls.model_validate(connection)


class CheckConnection(BaseModel):
    """What to ask the site besides who is let in."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"project_key": "HM"}]}
    )

    project_key: str | None = Field(
        default=None, pattern=r"^[A-Z][A-Z0-9_]{1,99}$", description="A project of Jira."
    )


class ConnectionChecked(BaseModel):
    """What the site says now."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "connection": _CONNECTION,
                    "project_found": True,
                    "permissions": {"BROWSE_PROJECTS": True, "CREATE_ISSUES": True},
                    "missing": [],
                }
            ]
        }
    )

    connection: ConnectionView
    project_found: bool | None = Field(description="null if no project was asked about.")
    permissions: dict[str, bool] = Field(description="Of the account, in the project.")
    missing: list[str] = Field(description="Those an export needs and the account has not.")

    @classmethod
    def of(cls, checked: Checked, *, project_key: str | None) -> ConnectionChecked:
        """The view of a check."""
        permissions = checked.permissions or {}
        return cls(
            connection=ConnectionView.of(checked.connection),
            project_found=None if project_key is None else checked.permissions is not None,
            permissions=permissions,
            missing=[name for name, has in permissions.items() if not has],
        )


class BeginAuthorization(BaseModel):
    """Which of your sites is meant; unset: the first one you grant."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"site": "https://harbour.atlassian.net"}]},
    )

    site: str | None = Field(default=None, max_length=300)


class AuthorizationBegun(BaseModel):
    """Where to open a browser."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "authorize_url": "https://auth.atlassian.com/authorize?client_id=…",
                    "expires_at": "2026-01-01T09:10:00Z",
                }
            ]
        }
    )

    authorize_url: str
    expires_at: datetime = Field(description="Until then the way back is open, once.")


class ConnectionDeleted(BaseModel):
    """What became of the tokens."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"revoked": True}]})

    revoked: bool = Field(
        description="Whether Atlassian was told, too; if not, revoke it in your Atlassian account."
    )
