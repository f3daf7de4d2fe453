"""What an operator can set for this plugin, each with the prefix `TICKETGEN_EXPORT_`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from annotated_types import Gt, Le
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ticketgen import Duration

__all__ = ["ExportSettings"]


def _address(url: str) -> str:
    parts = urlsplit(url)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ValueError("give an address that begins with https://, or http:// of this machine")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("leave out names, passwords, `?` and `#`")
    return url.rstrip("/")


_Address = Annotated[str, AfterValidator(_address)]


class ExportSettings(BaseSettings):
    """Settings of the plugin `export`."""

    # What was given is not repeated where it is refused: it may be a secret.
    model_config = SettingsConfigDict(hide_input_in_errors=True, frozen=True)

    patience: Duration = Field(
        default=timedelta(minutes=5),
        description="How long a run waits for a target that is busy, before it is put off.",
    )
    longest_pause: Annotated[Duration, Gt(timedelta(0)), Le(timedelta(minutes=10))] = Field(
        default=timedelta(seconds=60),
        description="Longest pause inside a run; if a target asks for more, the run is put off.",
    )
    jira_timeout: Annotated[Duration, Gt(timedelta(0))] = Field(
        default=timedelta(seconds=20), description="Longest Jira may take for one answer."
    )
    jira_pace: Annotated[Duration, Le(timedelta(minutes=1))] = Field(
        default=timedelta(seconds=1.5),
        description="Time between two calls that write to Jira; an export may choose another.",
    )
    jira_bulk: int = Field(
        default=50,
        ge=1,
        le=50,
        description="Issues created by one call, 50 at most; 1: each by a call of its own.",
    )
    jira_index_lag: Duration = Field(
        default=timedelta(minutes=3),
        description=(
            "How long Jira's search may take to show a new issue. Where no answer came to the "
            "first creation of an export, it is waited so long before another is sent."
        ),
    )
    jira_facts_age: Duration = Field(
        default=timedelta(minutes=15),
        description="How long what is known of a Jira project (types, fields, people) is believed.",
    )

    oauth_client_id: str | None = Field(
        default=None, description="Id of the OAuth application registered with Atlassian."
    )
    oauth_client_secret: SecretStr | None = Field(default=None, description="Its secret.")
    oauth_redirect_uri: _Address = Field(
        default="http://127.0.0.1:8000/api/export/connections/oauth/callback",
        description="Its callback: the API as users' browsers reach it, with this path.",
    )
    oauth_authorize_url: _Address = Field(
        default="https://auth.atlassian.com/authorize", description="Where users give consent."
    )
    oauth_token_url: _Address = Field(
        default="https://auth.atlassian.com/oauth/token", description="Where tokens are given."
    )
    oauth_resources_url: _Address = Field(
        default="https://api.atlassian.com/oauth/token/accessible-resources",
        description="Where it is told which sites a token is good for.",
    )
    oauth_api_url: _Address = Field(
        default="https://api.atlassian.com",
        description="Where sites are asked with tokens of OAuth, as `/ex/jira/{id of the site}`.",
    )
    oauth_revoke_url: _Address = Field(
        default="https://auth.atlassian.com/oauth/revoke",
        description="Where tokens are revoked at a logout, as far as the server does that.",
    )
