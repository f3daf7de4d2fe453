"""How an issue, a person, a project is written in an answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ticketgen_export.jira_stub.nouns import (
    PRIORITIES,
    SPRINT_FIELD,
    Account,
    Attachment,
    Issue,
    Link,
    LinkType,
    Project,
    Sprint,
)
from ticketgen_export.jira_stub.site import Site

__all__ = [
    "attachment_shape",
    "issue_shape",
    "issue_type_shape",
    "link_type_shape",
    "priority_shape",
    "project_shape",
    "sprint_shape",
    "timestamp",
    "user_shape",
]

_STATUS = {
    "id": "10000",
    "name": "To Do",
    "statusCategory": {"id": 2, "key": "new", "colorName": "blue-gray", "name": "To Do"},
}


def timestamp(moment: datetime) -> str:
    """A moment as Jira writes it: `2026-03-09T12:00:00.000+0000`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def user_shape(api_url: str, account: Account) -> dict[str, Any]:
    """A person."""
    return {
        "self": f"{api_url}/rest/api/3/user?accountId={account.account_id}",
        "accountId": account.account_id,
        "accountType": "atlassian",
        "emailAddress": account.email,
        "displayName": account.name,
        "active": True,
        "timeZone": "Etc/UTC",
        "locale": "en_US",
    }


def project_shape(api_url: str, project: Project, lead: Account | None = None) -> dict[str, Any]:
    """A project, with its issue types."""
    shape: dict[str, Any] = {
        "self": f"{api_url}/rest/api/3/project/{project.id}",
        "id": project.id,
        "key": project.key,
        "name": project.name,
        "projectTypeKey": "software",
        "simplified": False,
        "style": "classic",
        "isPrivate": False,
        "issueTypes": [issue_type_shape(api_url, project, key) for key in project.issue_types],
    }
    if lead is not None:
        shape["lead"] = user_shape(api_url, lead)
    return shape


def issue_type_shape(api_url: str, project: Project, type_id: str) -> dict[str, Any]:
    """One issue type of a project."""
    name = project.issue_types[type_id]
    return {
        "self": f"{api_url}/rest/api/3/issuetype/{type_id}",
        "id": type_id,
        "name": name,
        "description": "",
        "iconUrl": f"{api_url}/images/{type_id}",
        "subtask": False,
        "hierarchyLevel": 1 if name == "Epic" else 0,
    }


def priority_shape(api_url: str, priority_id: str) -> dict[str, Any]:
    """One priority."""
    return {
        "self": f"{api_url}/rest/api/3/priority/{priority_id}",
        "id": priority_id,
        "name": PRIORITIES[priority_id],
        "description": "",
        "iconUrl": f"{api_url}/images/priority-{priority_id}",
    }


def link_type_shape(api_url: str, kind: LinkType) -> dict[str, Any]:
    """One kind of link."""
    return {
        "self": f"{api_url}/rest/api/3/issueLinkType/{kind.id}",
        "id": kind.id,
        "name": kind.name,
        "inward": kind.inward,
        "outward": kind.outward,
    }


def attachment_shape(
    api_url: str, attachment: Attachment, author: Account | None
) -> dict[str, Any]:
    """One file of an issue."""
    shape: dict[str, Any] = {
        "self": f"{api_url}/rest/api/3/attachment/{attachment.id}",
        "id": attachment.id,
        "filename": attachment.filename,
        "created": timestamp(attachment.created),
        "size": attachment.size,
        "mimeType": attachment.media_type,
        "content": f"{api_url}/rest/api/3/attachment/content/{attachment.id}",
    }
    if author is not None:
        user = user_shape(api_url, author)
        shape["author"] = {key: value for key, value in user.items() if key != "locale"}
    return shape


def sprint_shape(api_url: str, sprint: Sprint) -> dict[str, Any]:
    """One sprint, as the agile API writes it."""
    return {
        "id": sprint.id,
        "self": f"{api_url}/rest/agile/1.0/sprint/{sprint.id}",
        "state": sprint.state,
        "name": sprint.name,
        "originBoardId": sprint.board_id,
    }


def issue_shape(
    site: Site,
    api_url: str,
    issue: Issue,
    *,
    fields: Iterable[str] = ("*all",),
    properties: Iterable[str] = (),
) -> dict[str, Any]:
    """An issue with the fields and properties asked for; `*all` is every one of them."""
    wanted = set(fields)
    complete = _fields(site, api_url, issue)
    everything = bool(wanted & {"*all", "*navigable"})
    left_out = {name[1:] for name in wanted if name.startswith("-")}
    everything = everything or (bool(wanted) and len(left_out) == len(wanted))
    shape: dict[str, Any] = {
        "expand": "renderedFields,names,schema,operations,editmeta,changelog",
        "id": issue.id,
        "self": f"{api_url}/rest/api/3/issue/{issue.id}",
        "key": issue.key,
        "fields": {
            key: value
            for key, value in complete.items()
            if (everything or key in wanted) and key not in left_out
        },
    }
    keys = set(properties)
    if keys:
        shape["properties"] = {
            key: value for key, value in issue.properties.items() if "*all" in keys or key in keys
        }
    return shape


def _fields(site: Site, api_url: str, issue: Issue) -> dict[str, Any]:
    project = site.projects[issue.project]
    stored = issue.fields
    people = {
        role: site.account(str((stored.get(role) or {}).get("accountId", "")))
        for role in ("assignee", "reporter")
    }
    creator = site.account(issue.creator)
    sprint = next((one for one in project.sprints if one.id == stored.get(SPRINT_FIELD)), None)
    return {
        **{extra.id: stored.get(extra.id) for extra in project.extra_fields},
        "summary": stored["summary"],
        "description": stored.get("description"),
        "issuetype": issue_type_shape(api_url, project, stored["issuetype"]["id"]),
        "project": {"id": project.id, "key": project.key, "name": project.name},
        "labels": stored.get("labels", []),
        "priority": priority_shape(api_url, (stored.get("priority") or {"id": "3"})["id"]),
        "assignee": user_shape(api_url, people["assignee"]) if people["assignee"] else None,
        "reporter": _person(api_url, people["reporter"] or creator),
        "creator": _person(api_url, creator),
        "created": timestamp(issue.created),
        "status": {"self": f"{api_url}/rest/api/3/status/10000", **_STATUS},
        SPRINT_FIELD: None if sprint is None else [_sprint_in_issue(sprint)],
        "attachment": [
            attachment_shape(api_url, one, site.account(one.author)) for one in issue.attachments
        ],
        "issuelinks": [_link(site, api_url, issue, link) for link in site.links_of(issue)],
    }


def _person(api_url: str, account: Account | None) -> dict[str, Any] | None:
    return user_shape(api_url, account) if account is not None else None


def _sprint_in_issue(sprint: Sprint) -> dict[str, Any]:
    return {
        "id": sprint.id,
        "name": sprint.name,
        "state": sprint.state,
        "boardId": sprint.board_id,
        "goal": "",
    }


def _link(site: Site, api_url: str, issue: Issue, link: Link) -> dict[str, Any]:
    """One link as seen from the issue: the other end stands under the side it is on."""
    is_source = link.source == issue.id
    other = site.issue(link.target if is_source else link.source)
    shape: dict[str, Any] = {
        "id": link.id,
        "self": f"{api_url}/rest/api/3/issueLink/{link.id}",
        "type": link_type_shape(api_url, link.type),
    }
    if other is not None:
        shape["outwardIssue" if is_source else "inwardIssue"] = {
            "id": other.id,
            "key": other.key,
            "self": f"{api_url}/rest/api/3/issue/{other.id}",
            "fields": {"summary": other.fields["summary"], "status": _STATUS},
        }
    return shape
