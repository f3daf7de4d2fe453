"""Files of issues and links between issues: what is added once the issues are there."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import Response

from ticketgen_export.jira_stub.answers import RefusedError, answer, nothing
from ticketgen_export.jira_stub.call import Call, Endpoint
from ticketgen_export.jira_stub.nouns import LINK_TYPES, Attachment, Issue, LinkType
from ticketgen_export.jira_stub.shapes import attachment_shape, link_type_shape

__all__ = ["ENDPOINTS"]


async def add_attachments(call: Call) -> Response:
    """What was stored of each part that is called `file`; the same name twice gives two."""
    if call.request.headers.get("x-atlassian-token") not in ("no-check", "nocheck"):
        raise RefusedError(403, "XSRF check failed")
    issue = call.issue()
    call.require(
        "CREATE_ATTACHMENTS", issue.project, "You do not have permission to create attachments."
    )
    try:
        async with call.request.form() as form:
            parts = [part for part in form.getlist("file") if isinstance(part, UploadFile)]
            files = [(part.filename or "", part.content_type, await part.read()) for part in parts]
    except MultiPartException:
        raise RefusedError(400, "The body is no multipart form.") from None
    if not files:
        raise RefusedError(400, "No file was sent: the part has to be called 'file'.")
    limit = call.site.behaviour.attachment_limit
    if any(len(content) > limit for _, _, content in files):
        raise RefusedError(413, f"The file is larger than the limit of {limit} bytes.")
    stored = [_attachment(call, *file) for file in files]
    for attachment in stored:
        call.site.attach(issue, attachment)
    return answer([attachment_shape(call.api_url, one, call.account) for one in stored])


async def create_link(call: Call) -> Response:
    """201 without a body, also for a link that was there already.

    `inwardIssue` gets the outward words: with type Blocks it blocks `outwardIssue`.
    """
    body = await call.object()
    kind = _link_type(body.get("type"))
    source = _end(call, body.get("inwardIssue"))
    target = _end(call, body.get("outwardIssue"))
    if source is target:
        raise RefusedError(400, "You cannot link an issue to itself.")
    call.require(
        "LINK_ISSUES", source.project, f"No Link Issue Permission for issue '{source.key}'."
    )
    call.site.link(kind, source, target)
    return nothing(201)


async def list_link_types(call: Call) -> Response:
    """Every kind of link of the site."""
    return answer({"issueLinkTypes": [link_type_shape(call.api_url, one) for one in LINK_TYPES]})


def _attachment(call: Call, filename: str, media_type: str | None, content: bytes) -> Attachment:
    return Attachment(
        id=call.site.next_id(),
        filename=filename,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        media_type=media_type or mimetypes.guess_type(filename)[0] or "application/octet-stream",
        author=call.account.account_id,
        created=datetime.now(UTC),
    )


def _link_type(named: Any) -> LinkType:
    wanted = named if isinstance(named, Mapping) else {}
    name = str(wanted.get("name", "")).casefold()
    for kind in LINK_TYPES:
        if kind.id == wanted.get("id") or kind.name.casefold() == name:
            return kind
    raise RefusedError(404, f"No issue link type with name '{wanted.get('name')}' found.")


def _end(call: Call, named: Any) -> Issue:
    wanted = (named.get("key") or named.get("id")) if isinstance(named, Mapping) else None
    if not wanted:
        raise RefusedError(400, "An issue link needs an inwardIssue and an outwardIssue.")
    return call.issue(str(wanted))


_READ = frozenset({"read:jira-work"})
_WRITE = frozenset({"write:jira-work"})

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/rest/api/3/issue/{issueIdOrKey}/attachments",
        handle=add_attachments,
        scopes=_WRITE,
    ),
    Endpoint(method="POST", path="/rest/api/3/issueLink", handle=create_link, scopes=_WRITE),
    Endpoint(method="GET", path="/rest/api/3/issueLinkType", handle=list_link_types, scopes=_READ),
)
"""Attachments and links."""
