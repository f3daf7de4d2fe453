"""A host whose export plugin knows the stand-in for Jira, and no other site."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.plugins.export.connections.place import CALLBACK, EMAIL, Place
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen_export.jira_stub import JiraStub, serving_stub


@pytest.fixture
async def place(clean_environment: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    stub = JiraStub(projects=["HM"])
    client = stub.register_client(CALLBACK)
    async with serving_stub(stub) as url:
        made = Place(stub=stub, url=url, client=client)
        stub.add_account(EMAIL, made.token, "Mia Moor")
        for name, value in {
            "CLIENT_ID": client.id,
            "CLIENT_SECRET": client.secret,
            "REDIRECT_URI": CALLBACK,
            "AUTHORIZE_URL": f"{url}/authorize",
            "TOKEN_URL": f"{url}/oauth/token",
            "RESOURCES_URL": f"{url}/oauth/token/accessible-resources",
            "API_URL": url,
            "REVOKE_URL": f"{url}/oauth/revoke",
        }.items():
            clean_environment.setenv(f"TICKETGEN_EXPORT_OAUTH_{name}", value)
        clean_environment.setenv("TICKETGEN_EXPORT_JIRA_TIMEOUT", "5")
        yield made


@pytest.fixture
async def runtime(place: Place, settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings) as opened:
        yield opened
