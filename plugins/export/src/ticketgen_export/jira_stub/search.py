"""Search by JQL, which sees what the index knows and gives it a page at a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from ticketgen_export.jira_stub.answers import RefusedError, answer
from ticketgen_export.jira_stub.call import Call, Endpoint
from ticketgen_export.jira_stub.jql import Found, InvalidJqlError, Query, parse_jql
from ticketgen_export.jira_stub.nouns import Issue
from ticketgen_export.jira_stub.shapes import issue_shape, timestamp

__all__ = ["ENDPOINTS"]

_MOST_RESULTS = 5000
_MOST_RECONCILED = 50


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a search asks for, however it was sent."""

    jql: str
    fields: tuple[str, ...]
    properties: tuple[str, ...]
    size: int
    page: str | None
    reconciled: frozenset[str]
    """Ids of issues that are looked at as they are, not as the index knows them."""


async def search_get(call: Call) -> Response:
    """Search with parameters in the address."""
    query = call.request.query_params
    asked = _Asked(
        jql=query.get("jql", ""),
        fields=_words(query.getlist("fields")),
        properties=_words(query.getlist("properties")),
        size=call.number("maxResults", 50, _MOST_RESULTS),
        page=query.get("nextPageToken"),
        reconciled=frozenset(_words(query.getlist("reconcileIssues"))),
    )
    return _search(call, asked)


async def search_post(call: Call) -> Response:
    """Search with parameters in the body."""
    body = await call.object()
    size = body.get("maxResults", 50)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise RefusedError(400, "'maxResults' has to be a number.")
    page = body.get("nextPageToken")
    asked = _Asked(
        jql=str(body.get("jql") or ""),
        fields=_list(body, "fields"),
        properties=_list(body, "properties"),
        size=min(size, _MOST_RESULTS),
        page=None if page is None else str(page),
        reconciled=frozenset(_list(body, "reconcileIssues")),
    )
    return _search(call, asked)


def _search(call: Call, asked: _Asked) -> Response:
    if len(asked.reconciled) > _MOST_RECONCILED:
        raise RefusedError(400, f"At most {_MOST_RECONCILED} issues are reconciled.")
    try:
        query = parse_jql(asked.jql, frozenset(call.site.searchable_properties))
    except InvalidJqlError as error:
        raise RefusedError(400, str(error)) from None
    _refuse_unknown(call, query)
    seen = {
        issue.id: issue
        for issue in call.site.issues
        if call.account.may("BROWSE_PROJECTS", issue.project)
    }
    known = [_found(call, issue, issue.id in asked.reconciled) for issue in seen.values()]
    matching = query.sort([one for one in known if one is not None and query.matches(one)])
    start = _start(asked.page)
    page = matching[start : start + asked.size]
    answered: dict[str, Any] = {
        "issues": [_shape(call, seen[one.id], asked) for one in page],
        "isLast": start + len(page) >= len(matching),
    }
    if not answered["isLast"]:
        token = base64.urlsafe_b64encode(f"page:{start + len(page)}".encode()).decode()
        answered["nextPageToken"] = token
    return answer(answered)


def _refuse_unknown(call: Call, query: Query) -> None:
    """Refuse a project or a key that is not there, as Jira does."""
    for field, value in query.named:
        if field == "project":
            project = call.site.project(value)
            if project is None or not call.account.may("BROWSE_PROJECTS", project.key):
                raise RefusedError(
                    400, f"The value '{value}' does not exist for the field 'project'."
                )
        if field == "key" and call.site.issue(value) is None:
            raise RefusedError(400, f"An issue with key '{value}' does not exist for field 'key'.")


def _found(call: Call, issue: Issue, is_reconciled: bool) -> Found | None:
    version = call.site.indexed(issue)
    if version is None and not is_reconciled:
        return None
    fields: Mapping[str, Any] = issue.fields
    properties: Mapping[str, Any] = issue.properties
    if version is not None and not is_reconciled:
        fields, properties = version.fields, version.properties
    return Found(
        id=issue.id,
        key=issue.key,
        project=issue.project,
        number=issue.number,
        created=timestamp(issue.created),
        fields=fields,
        properties=properties,
    )


def _shape(call: Call, issue: Issue, asked: _Asked) -> dict[str, Any]:
    """The id alone, unless fields or properties were asked for."""
    if not asked.fields and not asked.properties:
        return {"id": issue.id}
    fields = asked.fields or ("none",)
    return issue_shape(call.site, call.api_url, issue, fields=fields, properties=asked.properties)


def _start(page: str | None) -> int:
    if page is None:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(page).decode().partition(":")
    except (binascii.Error, ValueError):
        word, number = "", ""
    if word != "page" or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise RefusedError(400, "The provided next page token is invalid or expired.")
    return int(number)


def _list(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    sent = body.get(key)
    if sent is not None and not isinstance(sent, list):
        raise RefusedError(400, f"'{key}' has to be a list.")
    return tuple(str(one) for one in sent or ())


def _words(values: list[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in value.split(",") if word)


_PATH = "/rest/api/3/search/jql"
_READ = frozenset({"read:jira-work"})

ENDPOINTS = (
    Endpoint(method="GET", path=_PATH, handle=search_get, scopes=_READ),
    Endpoint(method="POST", path=_PATH, handle=search_post, scopes=_READ),
)
"""Search."""
