"""What is known of a Jira project before anything is created in it, and how that is found out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from ticketgen.errors import TicketgenError
from ticketgen_export.errors import JiraGoneError, JiraPermissionError, UnfitProjectError
from ticketgen_export.jira.client import REST, JiraClient
from ticketgen_export.jira.options import JiraOptions

__all__ = ["ProjectFacts", "read_facts", "require_project", "require_sight", "sees"]

_SPRINT_FIELD = "com.pyxis.greenhopper.jira:gh-sprint"
_PERMISSIONS = {
    "BROWSE_PROJECTS": "see the project",
    "CREATE_ISSUES": "create issues",
    "LINK_ISSUES": "link issues",
    "CREATE_ATTACHMENTS": "attach files",
    "ASSIGN_ISSUES": "assign issues",
}
_BOARDS_AT_ONCE = 8
_OURS = frozenset({"summary", "description", "issuetype", "project", "labels", "reporter"})
"""Fields that an issue of ours always has, or that Jira fills in."""


class ProjectFacts(BaseModel):
    """A project as an export needs to know it."""

    model_config = ConfigDict(frozen=True)

    project_key: str
    project_name: str
    issue_types: dict[str, str]
    """Name → id, of those that are no sub-tasks."""
    issue_type_id: str
    fields: list[str]
    """The ids of the fields an issue of the type can be created with."""
    sprint_field: str | None
    sprints: dict[str, list[int]]
    """Name → ids, of active and future sprints of the project's boards."""
    sprints_known: bool
    """False where the boards could not be read: then a sprint is a manual fix."""
    priorities: list[tuple[str, str]]
    """Names and ids, the most urgent first."""
    link_types: dict[str, str]
    """Name → id."""
    may: list[str]
    """The permissions of the account in the project."""

    def can_set(self, field: str) -> bool:
        """Whether an issue can be created with the field."""
        return field in self.fields


async def read_facts(
    client: JiraClient, project_key: str, options: JiraOptions, *, choosing: bool = False
) -> ProjectFacts:
    """Ask Jira for all of it.

    A person who is `choosing` is shown what there is, whether or not an export could work so.

    Raises:
        JiraGoneError: there is no such project, or the account does not see it.
        JiraPermissionError: the account may not do what the export needs.
        UnfitProjectError: there is no such issue type or link type, or a field is missing.
        TicketgenError: Jira answers with another error, or not at all.
    """
    project = await require_project(client, project_key)
    may = await _permissions(client, project_key)
    if not choosing:
        _require_permissions(may, project_key, options)
    types, (priorities, link_types) = await asyncio.gather(
        _issue_types(client, project_key), _catalogues(client)
    )
    if choosing:
        type_id = types.get(options.issue_type) or next(iter(types.values()), "")
    else:
        type_id = _named(types, options.issue_type, "issue type", f"the project {project_key}")
    fields = await _fields(client, project_key, type_id) if type_id else []
    if not choosing:
        _require_fillable(fields, options.issue_type)
        if options.links:
            _named(link_types, options.link_type, "link type", "this Jira site")
        if options.priority is not None:
            _named(priorities, options.priority, "priority", "this Jira site")
    sprint_field = _sprint_field(fields)
    sprints = await _sprints(client, project_key) if sprint_field else {}
    return ProjectFacts(
        project_key=str(project["key"]),
        project_name=str(project.get("name", "")),
        issue_types=types,
        issue_type_id=type_id,
        fields=[str(field["fieldId"]) for field in fields],
        sprint_field=sprint_field,
        sprints=sprints or {},
        sprints_known=sprints is not None,
        priorities=list(priorities.items()),
        link_types=link_types,
        may=may,
    )


async def require_project(client: JiraClient, project_key: str) -> Mapping[str, Any]:
    """The project as Jira has it.

    Raises:
        JiraGoneError: it is not there, or hidden from the account.
    """
    try:
        project = await client.read(f"{REST}/project/{project_key}", "see the project")
    except JiraGoneError as error:
        raise JiraGoneError(
            f"Jira has no project {project_key}, or the connected account does not see it.",
            recovery_actions=[
                "Set the session's Jira project key, or ask for access to the project."
            ],
        ) from error
    found: Mapping[str, Any] = project
    return found


async def require_sight(client: JiraClient, project_key: str) -> None:
    """Return if the account sees the issues of the project at this moment.

    Raises:
        JiraGoneError: the project is gone, or hidden from the account.
        JiraPermissionError: it may not be browsed any more.
    """
    await require_project(client, project_key)
    answer = await client.read(
        f"{REST}/mypermissions",
        "see the permissions",
        projectKey=project_key,
        permissions="BROWSE_PROJECTS",
    )
    held = (answer.get("permissions") or {}).get("BROWSE_PROJECTS") or {}
    if held.get("havePermission") is not True:
        raise JiraPermissionError(
            f"The connected account may not see the issues of {project_key} any more.",
            recovery_actions=["Ask an administrator of the Jira project for that permission."],
        )


async def sees(client: JiraClient, key: str) -> bool:
    """Whether the account sees that issue."""
    found = await client.find(f"{REST}/issue/{key}", f"read {key}", fields="created")
    return found is not None


async def _fields(client: JiraClient, project_key: str, type_id: str) -> list[Any]:
    return await client.pages(
        f"{REST}/issue/createmeta/{project_key}/issuetypes/{type_id}",
        "see the fields of issues",
        within="fields",
    )


async def _permissions(client: JiraClient, project_key: str) -> list[str]:
    answer = await client.read(
        f"{REST}/mypermissions",
        "see the permissions",
        projectKey=project_key,
        permissions=",".join(_PERMISSIONS),
    )
    held = answer.get("permissions") or {}
    return [name for name in _PERMISSIONS if (held.get(name) or {}).get("havePermission") is True]


def _require_permissions(may: Sequence[str], project_key: str, options: JiraOptions) -> None:
    needed = ["BROWSE_PROJECTS", "CREATE_ISSUES", *(["LINK_ISSUES"] if options.links else [])]
    missing = [_PERMISSIONS[name] for name in needed if name not in may]
    if missing:
        raise JiraPermissionError(
            f"The connected account may not {' or '.join(missing)} in {project_key}.",
            recovery_actions=[
                "Ask an administrator of the Jira project for that permission.",
                *(
                    ['Or export with the option "links": false.']
                    if missing == ["link issues"]
                    else []
                ),
            ],
        )


async def _issue_types(client: JiraClient, project_key: str) -> dict[str, str]:
    found = await client.pages(
        f"{REST}/issue/createmeta/{project_key}/issuetypes",
        "see the issue types",
        within="issueTypes",
    )
    return {str(kind["name"]): str(kind["id"]) for kind in found if not kind.get("subtask")}


async def _catalogues(client: JiraClient) -> tuple[dict[str, str], dict[str, str]]:
    priorities, links = await asyncio.gather(
        client.listed(f"{REST}/priority", "see the priorities"),
        client.read(f"{REST}/issueLinkType", "see the link types"),
    )
    return (
        {str(one["name"]): str(one["id"]) for one in priorities},
        {str(one["name"]): str(one["id"]) for one in links.get("issueLinkTypes") or ()},
    )


async def _sprints(client: JiraClient, project_key: str) -> dict[str, list[int]] | None:
    """Active and future sprints; None where the account or the app may not read boards."""
    found: dict[str, list[int]] = {}
    limit = asyncio.Semaphore(_BOARDS_AT_ONCE)
    try:
        boards = await client.pages(
            "/rest/agile/1.0/board", "see the boards", within="values", projectKeyOrId=project_key
        )
        # A kanban board has none, and asking for them is an error.
        scrum = [board for board in boards if board.get("type") != "kanban"]
        pages = await asyncio.gather(*(_of_board(client, board["id"], limit) for board in scrum))
        for sprint in (one for page in pages for one in page):
            ids = found.setdefault(str(sprint["name"]), [])
            if sprint["id"] not in ids:
                ids.append(int(sprint["id"]))
    except TicketgenError as error:
        if error.category == "temporary":
            raise
        return None
    return found


async def _of_board(client: JiraClient, board: Any, limit: asyncio.Semaphore) -> list[Any]:
    async with limit:
        return await client.pages(
            f"/rest/agile/1.0/board/{board}/sprint",
            "see the sprints",
            within="values",
            state="active,future",
        )


def _sprint_field(fields: list[Any]) -> str | None:
    for field in fields:
        if (field.get("schema") or {}).get("custom") == _SPRINT_FIELD:
            return str(field["fieldId"])
    return None


def _named(known: Mapping[str, str], name: str, kind: str, where: str) -> str:
    """The id of what is called so; upper and lower case do not matter."""
    for candidate, number in known.items():
        if candidate.casefold() == name.casefold():
            return number
    raise UnfitProjectError(
        f"There is no {kind} {name!r} in {where}.",
        recovery_actions=[f"Choose one of: {', '.join(sorted(known)) or 'none'}."],
    )


def _require_fillable(fields: list[Any], issue_type: str) -> None:
    missing = [
        str(field.get("name") or field["fieldId"])
        for field in fields
        if field.get("required")
        and not field.get("hasDefaultValue")
        and field["fieldId"] not in _OURS
    ]
    if missing:
        raise UnfitProjectError(
            f"Issues of the type {issue_type!r} need what a ticket does not have: "
            f"{', '.join(missing)}.",
            recovery_actions=[
                "Choose another issue type, or ask an administrator of the Jira project to make "
                "these fields optional, or to give them a default."
            ],
        )
