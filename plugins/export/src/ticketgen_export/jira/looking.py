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
from ticketgen_export.jira.issues import PROPERTY

__all__ = ["find_issue", "newest_key", "number_of"]

_LONGEST_GAP = 1_000
"""A bulk call uses up 50 numbers, also where it creates nothing; a large session that was exported
for a try, and deleted, some hundreds."""
_AT_ONCE = 100
"""As many as Jira gives by one call."""
_FIELDS = "labels,assignee,attachment,issuelinks,created"


async def find_issue(
    client: JiraClient, *, project_key: str, marker: str, after: str | None, fields: str = ""
) -> Mapping[str, Any] | None:
    """The issue that carries the marker, as Jira has it; None if there is none.

    `after` is a key that is known to be older than the issue; without one the reading begins at
    the newest issue that the search shows, or at the first of all.

    Raises:
        TicketgenError: Jira could not be asked.
    """
    wanted = ",".join(filter(None, (_FIELDS, fields)))
    found = await _searched(client, project_key, marker, wanted)
    if found is not None:
        return found
    start = after if after is not None else await newest_key(client, project_key)
    return await _read_upward(client, project_key, marker, number_of(start), wanted)


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


def number_of(key: str | None) -> int:
    """The number in an issue's key; 0 where there is no key."""
    number = (key or "").rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


async def _searched(
    client: JiraClient, project_key: str, marker: str, fields: str
) -> Mapping[str, Any] | None:
    answer = await client.read(
        f"{REST}/search/jql",
        "search for issues",
        jql=f'project = "{project_key}" AND labels = "{marker}"',
        maxResults=2,
        fields=fields,
    )
    for issue in answer.get("issues") or ():
        # The index may still show what has been deleted or renamed.
        present = await _read(client, str(issue["key"]), fields)
        if present is not None and _carries(present, marker):
            return present
    return None


async def _read_upward(
    client: JiraClient, project_key: str, marker: str, number: int, fields: str
) -> Mapping[str, Any] | None:
    last = number
    while number - last < _LONGEST_GAP:
        keys = [f"{project_key}-{number + step}" for step in range(1, _AT_ONCE + 1)]
        for issue in await _fetch(client, keys, fields):
            if _carries(issue, marker):
                return issue
            if str(issue.get("key", "")).startswith(f"{project_key}-"):
                last = max(last, number_of(issue["key"]))
        number += _AT_ONCE
    return None


async def _fetch(
    client: JiraClient, keys: Sequence[str], fields: str
) -> Sequence[Mapping[str, Any]]:
    """Those of the issues that there are, read directly."""
    answer = await client.fetch(
        f"{REST}/issue/bulkfetch",
        "read issues",
        {"issueIdsOrKeys": list(keys), "fields": fields.split(","), "properties": [PROPERTY]},
    )
    if not isinstance(answer, dict) or answer.get("issueErrors"):
        # Jira could not read all of them: what is left out may be there.
        raise JiraUnansweredError("Jira did not show every issue that was asked for.")
    issues: list[Mapping[str, Any]] = answer.get("issues") or []
    return issues


async def _read(client: JiraClient, key: str, fields: str) -> Mapping[str, Any] | None:
    issue = await client.find(
        f"{REST}/issue/{key}", "read issues", fields=fields, properties=PROPERTY
    )
    # A moved issue answers by its new key: its number says nothing of this project's any more.
    return issue if isinstance(issue, dict) else None


def _carries(issue: Mapping[str, Any], marker: str) -> bool:
    labels = (issue.get("fields") or {}).get("labels") or []
    told = (issue.get("properties") or {}).get(PROPERTY)
    return marker in labels or (isinstance(told, dict) and told.get("marker") == marker)
