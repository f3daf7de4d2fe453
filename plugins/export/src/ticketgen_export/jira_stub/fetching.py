"""Reading many issues by one call, which sees what is there, not what the index knows."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ticketgen_export.jira_stub.answers import RefusedError, answer
from ticketgen_export.jira_stub.call import Call, Endpoint
from ticketgen_export.jira_stub.nouns import Issue
from ticketgen_export.jira_stub.shapes import issue_shape

__all__ = ["ENDPOINTS", "MOST_FETCHED"]

MOST_FETCHED = 100
"""Issues that one request may ask for."""


async def fetch_issues(call: Call) -> Response:
    """The issues there are, by their ids; those that are not found are left out without a word."""
    body = await call.object()
    wanted = _words(body, "issueIdsOrKeys")
    if not 0 < len(wanted) <= MOST_FETCHED:
        raise RefusedError(400, f"Between 1 and {MOST_FETCHED} issues have to be asked for.")
    found = {issue.id: issue for name in wanted if (issue := _visible(call, name)) is not None}
    shapes = [
        issue_shape(
            call.site,
            call.api_url,
            issue,
            fields=_words(body, "fields") or ["*all"],
            properties=_words(body, "properties"),
        )
        for issue in sorted(found.values(), key=lambda one: int(one.id))
    ]
    return answer({"expand": "names,schema", "issues": shapes, "issueErrors": []})


def _visible(call: Call, name: str) -> Issue | None:
    issue = call.site.issue(name)
    if issue is None or not call.account.may("BROWSE_PROJECTS", issue.project):
        return None
    return issue


def _words(body: Any, key: str) -> list[str]:
    sent = body.get(key) or []
    if not isinstance(sent, list) or not all(isinstance(one, str) for one in sent):
        raise RefusedError(400, f"'{key}' has to be a list of strings.")
    return sent


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/rest/api/3/issue/bulkfetch",
        handle=fetch_issues,
        scopes=frozenset({"read:jira-work"}),
    ),
)
"""Many issues at once."""
