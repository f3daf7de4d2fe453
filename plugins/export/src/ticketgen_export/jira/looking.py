"""Finds the issue of a ticket where the answer to its creation never came.

Jira's search follows behind: an issue may be missing from it for minutes. A direct read is never
behind, but needs the key. Keys are numbers that only grow, so an issue that was created after
another has a greater one. So two ways are gone: the search for the marker, and direct reads upward
from the last key that is known to be older, a hundred by one call. Numbers without an issue are
those of issues that were deleted, and of calls that failed; the reading ends where there are more
of them in a row than a whole export that was thrown away, or many bulk calls that failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ticketgen_export.errors import JiraUnansweredError
from ticketgen_export.jira.client import REST, JiraClient
from ticketgen_export.jira.facts import require_sight
from ticketgen_export.jira.issues import PROPERTY

__all__ = ["fetch_issues", "find_issue", "marker_on", "newest_key", "number_of"]

_LONGEST_GAP = 1_000
"""A bulk call uses up 50 numbers, also where it creates nothing; a large session that was exported
for a try, and deleted, some hundreds."""
_AT_ONCE = 100
"""As many as Jira gives by one call."""
_FIELDS = "labels,assignee,attachment,issuelinks,created"


async def find_issue(
    client: JiraClient,
    *,
    project_key: str,
    marker: str,
    older: Sequence[str | None],
    fields: str = "",
) -> Mapping[str, Any] | None:
    """The issue that carries the marker, as Jira has it; None if there is none.

    `older` are keys of issues that were there before it; those of other projects say nothing. The
    reading begins above the greatest of them.

    Raises:
        JiraGoneError: the project is gone, or hidden from the account: it sees nothing.
        TicketgenError: Jira could not be asked.
    """
    wanted = ",".join(filter(None, (_FIELDS, fields)))
    found = await _searched(client, project_key, marker, wanted)
    if found is None:
        start = max((number_of(key, project_key) for key in older), default=0)
        found = await _read_upward(client, project_key, marker, start, wanted)
    if found is None:
        # Who sees nothing finds nothing.
        await require_sight(client, project_key)
    return found


async def newest_key(client: JiraClient, project_key: str) -> str | None:
    """The newest issue that the search shows; there may be newer ones already."""
    answer = await client.read(
        f"{REST}/search/jql",
        "search for issues",
        jql=f'project = "{project_key}" ORDER BY created DESC',
        maxResults=1,
        fields="created",
    )
    issues = answer.get("issues") or []
    return str(issues[0]["key"]) if issues else None


def number_of(key: str | None, project_key: str) -> int:
    """The number in the key of an issue of the project; 0 of any other, and where there is none."""
    project, _, number = (key or "").rpartition("-")
    return int(number) if project == project_key and number.isdecimal() else 0


async def _searched(
    client: JiraClient, project_key: str, marker: str, fields: str
) -> Mapping[str, Any] | None:
    answer = await client.read(
        f"{REST}/search/jql",
        "search for issues",
        jql=f'project = "{project_key}" AND labels = "{marker}" ORDER BY created ASC',
        maxResults=10,
        fields="created",
    )
    keys = [str(issue["key"]) for issue in answer.get("issues") or ()]
    # The index may still show what has been deleted or changed.
    return _carrying(marker, await fetch_issues(client, keys, fields)) if keys else None


async def _read_upward(
    client: JiraClient, project_key: str, marker: str, number: int, fields: str
) -> Mapping[str, Any] | None:
    last = number
    while number - last < _LONGEST_GAP:
        keys = [f"{project_key}-{number + step}" for step in range(1, _AT_ONCE + 1)]
        issues = await fetch_issues(client, keys, fields)
        found = _carrying(marker, issues)
        if found is not None:
            return found
        last = max([last, *(number_of(str(issue.get("key")), project_key) for issue in issues)])
        number += _AT_ONCE
    return None


async def fetch_issues(
    client: JiraClient, keys: Sequence[str], fields: str
) -> Sequence[Mapping[str, Any]]:
    """Those of the issues that there are, read directly, with our property.

    Raises:
        TicketgenError: Jira could not be asked, or did not show every one.
    """
    answer = await client.fetch(
        f"{REST}/issue/bulkfetch",
        "read issues",
        {"issueIdsOrKeys": list(keys), "fields": fields.split(","), "properties": [PROPERTY]},
    )
    if answer.get("issueErrors"):
        # Jira could not read all of them: what is left out may be there.
        raise JiraUnansweredError("Jira did not show every issue that was asked for.")
    issues: list[Mapping[str, Any]] = answer.get("issues") or []
    return issues


def _carrying(marker: str, issues: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The issue of the marker; a clone of it has the label, and not the property."""
    for issue in issues:
        if marker_on(issue) == marker:
            return issue
    for issue in issues:
        if marker in ((issue.get("fields") or {}).get("labels") or []):
            return issue
    return None


def marker_on(issue: Mapping[str, Any]) -> str | None:
    """What the property of an issue says it was created for."""
    told = (issue.get("properties") or {}).get(PROPERTY)
    marker = told.get("marker") if isinstance(told, dict) else None
    return marker if isinstance(marker, str) else None
