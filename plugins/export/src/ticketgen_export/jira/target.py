"""The target `jira`: issues in a project of a Jira Cloud site, with attachments and links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from ticketgen.errors import OutcomeUnknownError
from ticketgen.provides import CompletedExport, ExportTarget, ExportTicket, Sending, SentTicket
from ticketgen_export.errors import NOTHING_WAS_DONE, JiraSearchBehindError
from ticketgen_export.jira.attaching import attach_files
from ticketgen_export.jira.creating import create_issue, create_issues, sent_ticket
from ticketgen_export.jira.facts import sees
from ticketgen_export.jira.issues import draft_issue, marker_of
from ticketgen_export.jira.linking import link_issues
from ticketgen_export.jira.looking import find_issue, newest_key, number_of
from ticketgen_export.jira.outlet import (
    consult_jira,
    explained,
    open_outlet,
    outlet_of,
    prepare_jira,
)

__all__ = ["JIRA_TARGET"]

_SHORTLY = timedelta(minutes=10)
_LOOK_AGAIN = timedelta(seconds=15)


async def _send(ticket: ExportTicket, sending: Sending) -> SentTicket:
    async with explained(outlet_of(sending)):
        return await create_issue(ticket, outlet_of(sending), sending)


async def _send_many(
    tickets: Sequence[ExportTicket], sending: Sending
) -> Mapping[UUID, SentTicket | Exception]:
    keys = {ticket.id: sending.key_of(ticket) for ticket in tickets}
    async with explained(outlet_of(sending)):
        return await create_issues(tickets, outlet_of(sending), keys)


def _many(ticket: ExportTicket, sending: Sending) -> int:
    """A ticket with files goes by itself, so that they are there as soon as it is."""
    return 1 if ticket.attachments else outlet_of(sending).bulk


async def _find(ticket: ExportTicket, sending: Sending) -> SentTicket | None:
    outlet = outlet_of(sending)
    facts = outlet.facts
    marker = marker_of(sending.idempotency_key)
    async with explained(outlet):
        issue = await find_issue(
            outlet.client,
            project_key=facts.project_key,
            marker=marker,
            older=(sending.last_reference, sending.newest_reference),
            fields=facts.sprint_field or "",
        )
    if issue is None:
        _require_certainty(sending, facts.project_key)
        return None
    account = await outlet.known.account_of(outlet.client, ticket.assignee)
    draft = draft_issue(
        ticket,
        facts,
        outlet.options,
        marker=marker,
        account_id=account,
        without=_absent(issue.get("fields") or {}, facts.sprint_field),
    )
    return sent_ticket(ticket, str(issue["key"]), outlet, draft.manual_fixes)


def _require_certainty(sending: Sending, project_key: str) -> None:
    """Whether an issue that was not found is certain not to be there.

    It is where the reading began at an issue of ours that was created shortly before: the numbers
    in between were used up in that time, and there are fewer of them than the reading goes over.
    Any other beginning may lie far below, with nothing but deleted issues above it; there only the
    search can tell, when it must have seen everything.

    Raises:
        JiraSearchBehindError: not yet.
        OutcomeUnknownError: the account creates issues that it does not see.
    """
    if outlet_of(sending).sees_its_own is False:
        raise OutcomeUnknownError(
            "Whether Jira created the issue cannot be found out: the connected account does not "
            "see the issues it creates.",
            recovery_actions=[
                "Ask an administrator of the Jira project to let it see them (security levels)."
            ],
        )
    age = sending.reference_age
    is_near = number_of(sending.last_reference, project_key) > 0
    if is_near and age is not None and age <= _SHORTLY:
        return
    left = outlet_of(sending).index_lag - sending.since_call
    if left > timedelta(0):
        raise JiraSearchBehindError(
            "It is not certain yet whether Jira created the issue: its search lags behind.",
            retry_after=min(left, _LOOK_AGAIN),
            recovery_actions=["Wait: the export finds out what was done, and goes on."],
        )


def _absent(fields: Mapping[str, Any], sprint_field: str | None) -> set[str]:
    """Which of the fields that may be left out the issue was created without."""
    optional = ("assignee", *([sprint_field] if sprint_field else []))
    return {name for name in optional if not fields.get(name)}


async def _newest(sending: Sending) -> str | None:
    outlet = outlet_of(sending)
    async with explained(outlet):
        return await newest_key(outlet.client, outlet.facts.project_key)


async def _turn(tickets: Sequence[ExportTicket], sending: Sending) -> None:
    outlet = outlet_of(sending)
    for ticket in tickets:
        await outlet.known.account_of(outlet.client, ticket.assignee)
    await outlet.client.pace.turn()


def _time_of(tickets: int, sending: Sending) -> timedelta:
    return outlet_of(sending).longest_send(tickets)


async def _follow_up(ticket: ExportTicket, sent: SentTicket, sending: Sending) -> SentTicket:
    outlet = outlet_of(sending)
    if not outlet.sees_its_own:
        outlet.sees_its_own = await sees(outlet.client, sent.reference)
    if not ticket.attachments:
        return sent
    fixes = await attach_files(ticket, sent.reference, outlet, sending)
    named = tuple(f"{sent.reference}: {sentence}" for sentence in fixes)
    return sent.model_copy(update={"manual_fixes": (*sent.manual_fixes, *named)})


async def _complete(
    tickets: Sequence[ExportTicket], sent: Mapping[UUID, SentTicket], sending: Sending
) -> CompletedExport:
    outlet = outlet_of(sending)
    if not outlet.options.links:
        return CompletedExport()
    return CompletedExport(manual_fixes=await link_issues(tickets, sent, outlet, sending))


JIRA_TARGET = ExportTarget(
    name="jira",
    summary="Issues in a project of a Jira Cloud site, with attachments and links.",
    consult=consult_jira,
    prepare=prepare_jira,
    open=open_outlet,
    newest=_newest,
    turn=_turn,
    send=_send,
    send_many=_send_many,
    many=_many,
    find=_find,
    refused=NOTHING_WAS_DONE,
    time_of=_time_of,
    follow_up=_follow_up,
    complete=_complete,
)
