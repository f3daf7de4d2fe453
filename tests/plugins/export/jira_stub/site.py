"""A served stand-in with one project and one account, and the answers judged at the end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.plugins.export.jira_conformance import Conformance
from ticketgen_export.jira_stub import Account, JiraStub, serving_stub

__all__ = ["CREATE", "SEARCH", "Served", "paragraph", "served", "ticket", "until"]

CREATE = "POST /rest/api/3/issue"
SEARCH = "/rest/api/3/search/jql"


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a test works with."""

    stub: JiraStub
    url: str
    account: Account
    http: httpx2.AsyncClient
    """Speaks as the account."""

    async def create(self, summary: str = "A ticket", **fields: Any) -> httpx2.Response:
        """Ask for an issue."""
        return await self.http.post("/rest/api/3/issue", json=ticket(summary, **fields))

    async def key(self, summary: str = "A ticket", **fields: Any) -> str:
        """Create an issue and name it."""
        created = await self.create(summary, **fields)
        assert created.status_code == 201, created.text
        return str(created.json()["key"])

    async def errors(self, **fields: Any) -> Any:
        """What is wrong with a create, by field."""
        answer = await self.create(**fields)
        assert answer.status_code == 400, answer.text
        return answer.json()["errors"]

    async def found(self, jql: str) -> list[str]:
        """The keys that a search gives."""
        answer = await self.http.post(SEARCH, json={"jql": jql, "fields": ["summary"]})
        assert answer.status_code == 200, answer.text
        return [issue["key"] for issue in answer.json()["issues"]]


@asynccontextmanager
async def served(stub: JiraStub | None = None, **options: Any) -> AsyncIterator[Served]:
    """Serve a stand-in; when the block ends, everything it said has to be what Jira says."""
    stub = stub or JiraStub(**{"projects": ["DEMO"], **options})
    token = secrets.token_urlsafe()
    account = stub.add_account("ada@example.org", token, "Ada Lovelace")
    conformance = Conformance(stub, requests="accepted")
    async with (
        serving_stub(stub) as url,
        httpx2.AsyncClient(base_url=url, auth=(account.email, token)) as http,
    ):
        yield Served(stub=stub, url=url, account=account, http=http)
    assert conformance.problems() == []


def ticket(summary: str = "A ticket", **fields: Any) -> dict[str, Any]:
    """The body of a create; a field that is None is left out."""
    usual = {
        "project": {"key": "DEMO"},
        "issuetype": {"name": "Task"},
        "summary": summary,
    }
    return {"fields": {k: v for k, v in {**usual, **fields}.items() if v is not None}}


def paragraph(text: str) -> dict[str, Any]:
    """A document of one paragraph."""
    content = [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]
    return {"type": "doc", "version": 1, "content": content}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the stand-in does by itself."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)
