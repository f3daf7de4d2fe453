"""What an issue is created with, from a ticket and what is known of the project."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ticketgen.provides import ExportTicket
from ticketgen_export.jira.facts import ProjectFacts
from ticketgen_export.jira.options import JiraOptions
from ticketgen_export.jira_csv import summary_of

__all__ = ["LABEL", "PROPERTY", "DraftIssue", "draft_issue", "marker_of"]

LABEL = "ticketgen"
"""On every issue that was exported."""
PROPERTY = "ticketgen"
"""The issue property that says which ticket it is."""

_UNFIT_FOR_LABEL = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class DraftIssue:
    """An issue as it is asked for."""

    body: Mapping[str, Any]
    manual_fixes: tuple[str, ...]
    """What of the ticket is not in it, and what to do about that."""


def marker_of(idempotency_key: str) -> str:
    """The label by which the issue of a ticket is recognised: 80 bits of the key's hash."""
    digest = hashlib.blake2s(idempotency_key.encode(), digest_size=10).hexdigest()
    return f"{LABEL}-{digest}"


def draft_issue(
    ticket: ExportTicket,
    facts: ProjectFacts,
    options: JiraOptions,
    *,
    marker: str,
    account_id: str | None,
    without: Collection[str] = (),
) -> DraftIssue:
    """The body of the call that creates the issue.

    `account_id` is the assignee's, None if nobody is known by the ticket's name for one.
    `without` are fields that Jira has refused for this ticket: `assignee`, `priority`, the sprint.
    """
    fields: dict[str, Any] = {
        "project": {"key": facts.project_key},
        "issuetype": {"id": facts.issue_type_id},
        "summary": summary_of(ticket.title),
    }
    fixes: list[str] = []
    if facts.can_set("description"):
        fields["description"] = ticket.document
    else:
        fixes.append("The description: the project's form for new issues does not have the field.")
    if facts.can_set("labels"):
        fields["labels"] = _labels(ticket, marker)
    fixes += _assign(fields, ticket, facts, account_id, without)
    fixes += _plan(fields, ticket, facts, without)
    if options.priority is not None:
        fixes += _prioritise(fields, facts, options.priority, without)
    properties = [{"key": PROPERTY, "value": {"marker": marker, "ticket": ticket.key}}]
    return DraftIssue(body={"fields": fields, "properties": properties}, manual_fixes=tuple(fixes))


def _labels(ticket: ExportTicket, marker: str) -> list[str]:
    names = (LABEL, marker, ticket.entity_group, ticket.csv_type)
    return list(
        dict.fromkeys(_UNFIT_FOR_LABEL.sub("-", name.strip())[:255] for name in names if name)
    )


def _assign(
    fields: dict[str, Any],
    ticket: ExportTicket,
    facts: ProjectFacts,
    account_id: str | None,
    without: Collection[str],
) -> list[str]:
    if not ticket.assignee:
        return []
    if account_id is None:
        return [f"Assignee: nobody who can be assigned is known as {ticket.assignee!r}."]
    if "assignee" in without or not facts.can_set("assignee"):
        return [f"Assignee: Jira does not take {ticket.assignee!r}; assign the issue by hand."]
    fields["assignee"] = {"accountId": account_id}
    return []


def _plan(
    fields: dict[str, Any], ticket: ExportTicket, facts: ProjectFacts, without: Collection[str]
) -> list[str]:
    if not ticket.sprint:
        return []
    if facts.sprint_field is None or not facts.sprints_known:
        return [f"Sprint: move the issue to {ticket.sprint!r} by hand; boards could not be read."]
    ids = facts.sprints.get(ticket.sprint, [])
    if not ids:
        return [f"Sprint: the project has no active or future sprint {ticket.sprint!r}."]
    if len(ids) > 1:
        return [f"Sprint: several are called {ticket.sprint!r}; move the issue by hand."]
    if facts.sprint_field in without:
        return [f"Sprint: Jira does not take {ticket.sprint!r}; move the issue by hand."]
    fields[facts.sprint_field] = ids[0]
    return []


def _prioritise(
    fields: dict[str, Any], facts: ProjectFacts, priority: str, without: Collection[str]
) -> list[str]:
    if "priority" in without or not facts.can_set("priority"):
        return [f"Priority: Jira does not take {priority!r}; set it by hand."]
    by_name = {name.casefold(): number for name, number in facts.priorities}
    fields["priority"] = {"id": by_name[priority.casefold()]}
    return []
