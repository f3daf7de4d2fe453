"""Attaches files to an issue, each once; what Jira does not take is left to a person."""

from __future__ import annotations

from functools import partial
from typing import Any

from ticketgen.provides import ExportedFile, ExportTicket, Sending
from ticketgen_export.errors import (
    NOTHING_WAS_DONE,
    JiraGoneError,
    JiraPermissionError,
    JiraRefusedError,
    JiraUnansweredError,
)
from ticketgen_export.jira.client import REST
from ticketgen_export.jira.facts import require_sight
from ticketgen_export.jira.outlet import Outlet

__all__ = ["attach_files"]


async def attach_files(
    ticket: ExportTicket, key: str, outlet: Outlet, sending: Sending
) -> tuple[str, ...]:
    """Attach what belongs to the ticket; sentences about what has to be attached by hand.

    Raises:
        TemporaryError: it is not known yet whether a file was attached.
    """
    fixes: list[str] = []
    for file in ticket.attachments:
        try:
            await sending.effect(
                "attach",
                f"{ticket.id}:{file.name}",
                partial(_attach, outlet, key, file),
                look_up=partial(_look_up, outlet, key, file),
                refused=NOTHING_WAS_DONE,
                timeout=outlet.longest_send(),
            )
        except (JiraRefusedError, JiraPermissionError, JiraGoneError) as error:
            await require_sight(outlet.client, outlet.facts.project_key)
            fixes.append(f"Attachment: attach {file.name} by hand. {error.message}")
    return tuple(fixes)


async def _attach(outlet: Outlet, key: str, file: ExportedFile) -> Any:
    answer = await outlet.client.write(
        f"{REST}/issue/{key}/attachments",
        f"attach a file to {key}",
        files={"file": (file.name.rpartition("/")[2], file.content, file.media_type)},
        headers={"X-Atlassian-Token": "no-check"},
    )
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise JiraUnansweredError("Jira does not say what became of a file.")
    return [{"id": str(one.get("id")), "filename": one.get("filename")} for one in answer]


async def _look_up(outlet: Outlet, key: str, file: ExportedFile) -> Any | None:
    """Read directly, which is never behind."""
    issue = await outlet.client.read(f"{REST}/issue/{key}", f"read {key}", fields="attachment")
    name = file.name.rpartition("/")[2]
    same = [
        {"id": str(one.get("id")), "filename": one.get("filename")}
        for one in (issue.get("fields") or {}).get("attachment") or ()
        if one.get("filename") == name and one.get("size") == len(file.content)
    ]
    return same or None
