"""One request as a handler sees it, and what an endpoint is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ticketgen_export.jira_stub.answers import RefusedError
from ticketgen_export.jira_stub.nouns import Account, Issue, Project
from ticketgen_export.jira_stub.site import Site

__all__ = ["Call", "Endpoint", "Pacing"]

NO_ISSUE = "Issue does not exist or you do not have permission to see it."


@dataclass(frozen=True, kw_only=True)
class Pacing:
    """What a create does between its number and its answer."""

    work: timedelta = timedelta(0)
    """How long it takes, the number allocated and the issue not there yet."""
    commits_in: timedelta = timedelta(0)
    """How much later than its answer it is committed."""
    is_lost: bool = False
    """Whether it comes to nothing once the number is taken."""
    failing: frozenset[int] = frozenset()
    """Elements of a bulk create that fail, though nothing is wrong with them."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request of somebody who was let in."""

    site: Site
    account: Account
    request: Request
    api_url: str
    """What the paths of the request are appended to, for links to itself."""
    path: Mapping[str, str]
    pacing: Pacing = field(default_factory=Pacing)

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters after the question mark."""
        return self.request.query_params

    def number(self, name: str, default: int, most: int) -> int:
        """A parameter that is a number, cut to the most that is served.

        Raises:
            RefusedError: it is no number.
        """
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise RefusedError(400, f"The value '{text}' of '{name}' is not a number.")
        return min(int(text), most)

    async def json(self) -> Any:
        """The body.

        Raises:
            RefusedError: it is no JSON.
        """
        if not self.request.headers.get("content-type", "").startswith("application/json"):
            raise RefusedError(415, "The content type has to be application/json.")
        try:
            return json.loads(await self.request.body())
        except ValueError:
            raise RefusedError(
                400, "There was an error parsing JSON. Check the request body."
            ) from None

    async def object(self) -> Mapping[str, Any]:
        """The body, which is an object.

        Raises:
            RefusedError: it is none.
        """
        body = await self.json()
        if not isinstance(body, dict):
            raise RefusedError(400, "Invalid request payload. Refer to the REST API documentation.")
        return body

    def issue(self, id_or_key: str | None = None) -> Issue:
        """The issue of the path, or of that id or key, if the account may see it.

        Raises:
            RefusedError: there is none.
        """
        found = self.site.issue(id_or_key or self.path["issueIdOrKey"])
        if found is None or not self.account.may("BROWSE_PROJECTS", found.project):
            raise RefusedError(404, NO_ISSUE)
        return found

    def project(self, id_or_key: str) -> Project:
        """The project of that id or key, if the account may see it.

        Raises:
            RefusedError: there is none.
        """
        found = self.site.project(id_or_key)
        if found is None or not self.account.may("BROWSE_PROJECTS", found.key):
            raise RefusedError(404, f"No project could be found with key '{id_or_key}'.")
        return found

    def require(self, permission: str, project: str, message: str) -> None:
        """Let nobody on who lacks the permission.

        Raises:
            RefusedError: the account lacks it.
        """
        if not self.account.may(permission, project):
            raise RefusedError(403, message)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A path that is answered: by whom, and with which scopes of an access token."""

    method: str
    path: str
    """As Jira's documentation writes it: `/rest/api/3/issue/{issueIdOrKey}`."""
    handle: Callable[[Call], Awaitable[Response]]
    scopes: frozenset[str]
    makes_issues: bool = False
    """Whether it takes its time between number and commit by itself."""

    @property
    def template(self) -> str:
        """What the endpoint is called in logs and plans of faults."""
        return f"{self.method} {self.path}"
