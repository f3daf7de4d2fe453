"""Creates issues: one by one or several by one call, without what Jira does not take of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from ticketgen.errors import TicketgenError
from ticketgen.provides import ExportTicket, Sending, SentTicket
from ticketgen_export.errors import JiraRefusedError, JiraUnansweredError
from ticketgen_export.jira.answers import refusal_of
from ticketgen_export.jira.client import REST
from ticketgen_export.jira.issues import DraftIssue, draft_issue, marker_of
from ticketgen_export.jira.looking import fetch_issues, marker_on
from ticketgen_export.jira.outlet import Outlet

__all__ = ["create_issue", "create_issues", "sent_ticket"]


async def create_issue(ticket: ExportTicket, outlet: Outlet, sending: Sending) -> SentTicket:
    """Create the issue of a ticket; a value that may be missing is left out if Jira refuses it.

    Raises:
        TicketgenError: as `JiraClient.write`.
    """
    marker = marker_of(sending.idempotency_key)
    draft = await _draft(ticket, outlet, marker)
    try:
        created = await _post(draft, outlet, ticket)
    except JiraRefusedError as error:
        # Proof that nothing was created: the same call may be made again, with less.
        refused = error.fields.keys() & _optional(outlet)
        if not refused:
            raise _with_remedy(error, ticket) from error
        draft = await _draft(ticket, outlet, marker, without=refused)
        await outlet.client.pace.turn()
        try:
            created = await _post(draft, outlet, ticket)
        except JiraRefusedError as second:
            raise _with_remedy(second, ticket) from second
    return _sent(ticket, created, draft, outlet)


async def create_issues(
    tickets: Sequence[ExportTicket], outlet: Outlet, keys: Mapping[UUID, str]
) -> Mapping[UUID, SentTicket | Exception]:
    """Create several issues by one call; those that Jira refuses are answered with why.

    Jira answers 201 if at least one was created, and numbers the elements that were not.

    Raises:
        TicketgenError: as `JiraClient.write`.
    """
    markers = {marker_of(keys[ticket.id]): ticket for ticket in tickets}
    drafts = {marker: await _draft(ticket, outlet, marker) for marker, ticket in markers.items()}
    answer = await outlet.client.write(
        f"{REST}/issue/bulk",
        f"create {len(tickets)} issues",
        json={"issueUpdates": [draft.body for draft in drafts.values()]},
        timeout=outlet.time_for(len(tickets)),
    )
    if not isinstance(answer, dict):
        raise JiraUnansweredError("Jira says that it created issues, and not which.")
    outcome: dict[UUID, SentTicket | Exception] = dict(_refused(answer, tickets))
    created = [str(issue["key"]) for issue in answer.get("issues") or () if issue.get("key")]
    # In which order Jira names them is not said anywhere: each is asked what it was created for.
    for issue in await _fetched(outlet, created):
        marker = marker_on(issue) or ""
        if marker in markers:
            ticket = markers[marker]
            outcome[ticket.id] = _sent(ticket, issue, drafts[marker], outlet)
    return outcome


async def _fetched(outlet: Outlet, keys: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    try:
        return await fetch_issues(outlet.client, keys, "created") if keys else []
    except TicketgenError:
        return []  # they were created: each is looked for


def _refused(
    answer: Mapping[str, Any], tickets: Sequence[ExportTicket]
) -> Iterator[tuple[UUID, Exception]]:
    """The tickets of which the answer proves that they were not created, and why."""
    for error in answer.get("errors") or ():
        number, status = error.get("failedElementNumber"), error.get("status")
        if not isinstance(number, int) or not 0 <= number < len(tickets):
            continue
        # An element that failed inside Jira may be there all the same: it is looked for.
        if isinstance(status, int) and 400 <= status < 500:
            what = f'create "{tickets[number].title}"'
            yield tickets[number].id, refusal_of(error.get("elementErrors") or {}, what)


def sent_ticket(
    ticket: ExportTicket, key: str, outlet: Outlet, manual_fixes: Sequence[str]
) -> SentTicket:
    """What became of a ticket whose issue has that key."""
    return SentTicket(
        ticket_id=ticket.id,
        reference=key,
        url=outlet.url_of(key),
        manual_fixes=tuple(f"{key}: {sentence}" for sentence in manual_fixes),
    )


async def _draft(
    ticket: ExportTicket, outlet: Outlet, marker: str, *, without: Any = frozenset()
) -> DraftIssue:
    account = await outlet.known.account_of(outlet.client, ticket.assignee)
    return draft_issue(
        ticket, outlet.facts, outlet.options, marker=marker, account_id=account, without=without
    )


async def _post(draft: DraftIssue, outlet: Outlet, ticket: ExportTicket) -> Mapping[str, Any]:
    created = await outlet.client.write(
        f"{REST}/issue", f'create "{ticket.title}"', json=draft.body
    )
    if not isinstance(created, dict) or not created.get("key"):
        raise JiraUnansweredError("Jira says that it created an issue, and not which.")
    return created


def _sent(
    ticket: ExportTicket, created: Mapping[str, Any], draft: DraftIssue, outlet: Outlet
) -> SentTicket:
    return sent_ticket(ticket, str(created["key"]), outlet, draft.manual_fixes)


def _optional(outlet: Outlet) -> frozenset[str]:
    sprint = outlet.facts.sprint_field
    return frozenset({"assignee", "priority", *([sprint] if sprint else [])})


def _with_remedy(error: JiraRefusedError, ticket: ExportTicket) -> JiraRefusedError:
    return JiraRefusedError(
        error.message,
        fields=error.fields,
        recovery_actions=[
            f'Change the ticket "{ticket.title}" or the form of the Jira project, validate again, '
            "then start the export again: it goes on at this ticket.",
        ],
        technical_details={**error.technical_details, "fields": error.fields},
    )
