"""A site of Jira with one account and one OAuth application, and what a user does there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import select, text, update

from ticketgen.domain.audit import AuditEntry
from ticketgen.domain.users import User, get_user_by_name
from ticketgen.runtime import Runtime
from ticketgen.testing import Api
from ticketgen_export.connections.stored import Connection
from ticketgen_export.jira_stub import Behaviour, Client, JiraStub
from ticketgen_export.state import ExportState

EMAIL = "mia@example.org"
CALLBACK = "http://127.0.0.1:8000/api/export/connections/oauth/callback"


@dataclass(kw_only=True)
class Place:
    """The stand-in for Jira at its address."""

    stub: JiraStub
    url: str
    client: Client
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def behave(self, **changes: Any) -> None:
        self.stub.behaviour = Behaviour(**changes)

    def secrets(self) -> list[str]:
        """Everything that must not be seen anywhere."""
        oauth = self.stub.oauth
        return [self.token, self.client.secret, *oauth._access, *oauth._refresh, *oauth._codes]

    @property
    def refreshes(self) -> int:
        return self.stub.requests["POST /oauth/token"]


def new_connection(place: Place, **changes: Any) -> dict[str, Any]:
    return {"site_url": place.url, "email": EMAIL, "token": place.token} | changes


async def by_token(api: Api, place: Place, **changes: Any) -> dict[str, Any]:
    answer = await api.client.post("/api/export/connections", json=new_connection(place, **changes))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def begun(api: Api, headers: dict[str, str] | None = None, **body: Any) -> str:
    """The address to open in a browser."""
    answer = await api.client.post(
        "/api/export/connections/oauth", json=body, headers=headers or {}
    )
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["authorize_url"]
    return url


async def consented(authorize_url: str) -> httpx2.QueryParams:
    """What the browser comes back with."""
    async with httpx2.AsyncClient() as browser:
        answer = await browser.get(authorize_url)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(CALLBACK)
    return httpx2.URL(answer.headers["location"]).params


async def back(api: Api, **query: str) -> httpx2.Response:
    """The browser at our callback: it has no token of ours."""
    transport = api.client._transport
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as browser:
        return await browser.get("/api/export/connections/oauth/callback", params=query)


async def by_oauth(api: Api, **body: Any) -> dict[str, Any]:
    """A connection by OAuth, as it is listed."""
    returned = await consented(await begun(api, **body))
    answer = await back(api, **dict(returned))
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = (await api.client.get("/api/export/connections")).json()[-1]
    return made


def opened(api: Api) -> ExportState:
    found = api.runtime.states["export"]
    assert isinstance(found, ExportState)
    return found


async def mia(runtime: Runtime) -> User:
    async with runtime.session_factory() as db:
        return await get_user_by_name(db, "mia")


async def expire(runtime: Runtime, connection: dict[str, Any], **values: Any) -> None:
    """Let the access token be about to expire."""
    async with runtime.session_factory() as db:
        await db.execute(
            update(Connection)
            .where(Connection.id == UUID(connection["id"]))
            .values({"expires_at": 0} | values)
        )
        await db.commit()


async def stored(runtime: Runtime, connection: dict[str, Any]) -> Connection:
    async with runtime.session_factory() as db:
        return await db.get_one(Connection, UUID(connection["id"]))


async def audited(runtime: Runtime) -> list[AuditEntry]:
    async with runtime.session_factory() as db:
        entries = await db.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [one for one in entries if one.action.startswith("connection.")]


async def everything_stored(runtime: Runtime) -> str:
    """All rows of all tables, as text."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    async with runtime.session_factory() as db:
        names = list(await db.scalars(text(tables)))
        rows = [
            str(row) for name in names for row in await db.execute(text(f'SELECT * FROM "{name}"'))
        ]
    return "\n".join(rows)
