"""Draws the links between the issues of an export, each once.

Jira calls the two ends of a link inward and outward, by the words that stand at the *other* end:
where `Blocks` is "blocks" outward and "is blocked by" inward, the issue given as `inwardIssue` is
the one that blocks. So a ticket that others need is the inward issue of its links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from ticketgen.provides import ExportTicket, Sending, SentTicket
from ticketgen_export.errors import NOTHING_WAS_DONE, JiraGoneError, JiraRefusedError
from ticketgen_export.jira.client import REST
from ticketgen_export.jira.facts import require_sight
from ticketgen_export.jira.outlet import Outlet

__all__ = ["link_issues"]


async def link_issues(
    tickets: Sequence[ExportTicket],
    sent: Mapping[UUID, SentTicket],
    outlet: Outlet,
    sending: Sending,
) -> dict[UUID, tuple[str, ...]]:
    """Link every ticket to those it depends on; by ticket, what has to be linked by hand.

    Raises:
        TemporaryError: it is not known yet whether a link was drawn.
        JiraPermissionError: the account may not link issues.
    """
    wanted = [
        (ticket, needed)
        for ticket in tickets
        for needed in dict.fromkeys(ticket.depends_on)
        if needed in sent
    ]
    fixes: dict[UUID, tuple[str, ...]] = {}
    for number, (ticket, needed) in enumerate(wanted):
        blocker, blocked = sent[needed].reference, sent[ticket.id].reference
        await sending.progress(
            100.0 * number / len(wanted), f"Linking issues, {number} of {len(wanted)}"
        )
        try:
            await sending.effect(
                "link",
                f"{needed}:{ticket.id}",
                partial(_link, outlet, blocker, blocked),
                look_up=partial(_look_up, outlet, blocker, blocked),
                refused=NOTHING_WAS_DONE,
                timeout=outlet.longest_send(),
            )
        except (JiraGoneError, JiraRefusedError) as error:
            await require_sight(outlet.client, outlet.facts.project_key)
            sentence = f"Link: {blocker} has to be linked to {blocked} by hand. {error.message}"
            fixes[ticket.id] = (*fixes.get(ticket.id, ()), sentence)
    return fixes


async def _link(outlet: Outlet, blocker: str, blocked: str) -> Any:
    await outlet.client.write(
        f"{REST}/issueLink",
        f"link {blocker} to {blocked}",
        json={
            "type": {"name": outlet.options.link_type},
            "inwardIssue": {"key": blocker},
            "outwardIssue": {"key": blocked},
        },
    )
    return {"inward": blocker, "outward": blocked}


async def _look_up(outlet: Outlet, blocker: str, blocked: str) -> Any | None:
    """Read directly, which is never behind; seen from the blocker, the other end is outward."""
    issue = await outlet.client.read(
        f"{REST}/issue/{blocker}", f"read {blocker}", fields="issuelinks"
    )
    for link in (issue.get("fields") or {}).get("issuelinks") or ():
        kind = str((link.get("type") or {}).get("name", ""))
        other = (link.get("outwardIssue") or {}).get("key")
        if kind.casefold() == outlet.options.link_type.casefold() and other == blocked:
            return {"inward": blocker, "outward": blocked}
    return None
