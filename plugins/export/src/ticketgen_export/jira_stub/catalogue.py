"""What a site tells of itself: people, projects, permissions, fields, priorities, sprints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from ticketgen_export.jira_stub.answers import RefusedError, answer
from ticketgen_export.jira_stub.call import Call, Endpoint
from ticketgen_export.jira_stub.fields import usual_fields
from ticketgen_export.jira_stub.nouns import (
    ALL_PERMISSIONS,
    PRIORITIES,
    SPRINT_FIELD,
    Account,
    ExtraField,
    Project,
)
from ticketgen_export.jira_stub.shapes import (
    issue_type_shape,
    priority_shape,
    project_shape,
    sprint_shape,
    user_shape,
)

__all__ = ["ENDPOINTS"]

_SPRINT_TYPE = "com.pyxis.greenhopper.jira:gh-sprint"
_TYPES: dict[str, dict[str, str]] = {
    "labels": {"type": "array", "items": "string"},
    "attachment": {"type": "array", "items": "attachment"},
    "issuelinks": {"type": "array", "items": "issuelinks"},
    "description": {"type": "string"},
    "summary": {"type": "string"},
    "assignee": {"type": "user"},
    "reporter": {"type": "user"},
}


async def myself(call: Call) -> Response:
    """The account that asks."""
    return answer(user_shape(call.api_url, call.account))


async def server_info(call: Call) -> Response:
    """What kind of Jira this is."""
    return answer(
        {
            "baseUrl": call.api_url,
            "version": "1001.0.0-SNAPSHOT",
            "versionNumbers": [1001, 0, 0],
            "deploymentType": "Cloud",
            "serverTitle": "Jira stand-in",
        }
    )


async def get_project(call: Call) -> Response:
    """The project, with its issue types."""
    project = call.project(call.path["projectIdOrKey"])
    return answer(project_shape(call.api_url, project, call.account))


async def my_permissions(call: Call) -> Response:
    """Which of the permissions asked for the account has, in a project if one is named."""
    asked = [key for key in call.query.get("permissions", "").split(",") if key]
    if not asked:
        raise RefusedError(400, "The 'permissions' query parameter is required.")
    unknown = sorted(set(asked) - ALL_PERMISSIONS)
    if unknown:
        raise RefusedError(400, f"Unrecognized permission: {', '.join(unknown)}")
    named = call.query.get("projectKey") or call.query.get("projectId")
    project = call.project(named).key if named else None
    if "issueKey" in call.query:
        project = call.issue(call.query["issueKey"]).project
    ordered = sorted(ALL_PERMISSIONS)
    permissions = {
        key: {
            "id": str(10 + ordered.index(key)),
            "key": key,
            "name": key.replace("_", " ").capitalize(),
            "type": "PROJECT",
            "description": "",
            "havePermission": call.account.may(key, project),
        }
        for key in asked
    }
    return answer({"permissions": permissions})


async def list_priorities(call: Call) -> Response:
    """Every priority of the site."""
    return answer([priority_shape(call.api_url, key) for key in PRIORITIES])


async def assignable_people(call: Call) -> Response:
    """People who may be assigned in the project, whose name or e-mail begins with the query."""
    named = call.query.get("project") or call.query.get("issueKey", "").rpartition("-")[0]
    if not named:
        raise RefusedError(400, "A project or an issue key has to be given.")
    project = call.project(named)
    wanted = call.query.get("query", "").casefold()
    exact = call.query.get("accountId")
    found = [
        account
        for account in call.site.accounts.values()
        if account.may("ASSIGNABLE_USER", project.key)
        and (exact is None or account.account_id == exact)
        and _is_called(account, wanted)
    ]
    start, size = call.number("startAt", 0, 100_000), call.number("maxResults", 50, 1000)
    return answer([user_shape(call.api_url, account) for account in found[start : start + size]])


async def issue_types(call: Call) -> Response:
    """The types that may be created in the project, a page at a time."""
    project = _creatable(call)
    shapes = [issue_type_shape(call.api_url, project, key) for key in project.issue_types]
    return answer(_page(call, "issueTypes", shapes))


async def issue_type_fields(call: Call) -> Response:
    """The fields that a create of that type takes, a page at a time."""
    project = _creatable(call)
    if call.path["issueTypeId"] not in project.issue_types:
        raise RefusedError(400, "The issue type selected is invalid.")
    fields = [_field(call, project, key, name) for key, name in usual_fields(project).items()]
    fields.extend(_extra(extra) for extra in project.extra_fields)
    return answer(_page(call, "fields", fields))


async def boards(call: Call) -> Response:
    """The boards, of one project if it is named."""
    named = call.query.get("projectKeyOrId")
    projects = [call.project(named)] if named else list(call.site.projects.values())
    values = [
        {
            "id": project.board_id,
            "self": f"{call.api_url}/rest/agile/1.0/board/{project.board_id}",
            "name": f"{project.key} board",
            "type": "scrum",
            "location": {
                "projectId": int(project.id),
                "projectKey": project.key,
                "projectName": project.name,
                "displayName": f"{project.name} ({project.key})",
            },
        }
        for project in projects
        if project.board_id is not None and not project.deleted
    ]
    page = _page(call, "values", values, default=50, most=50)
    return answer({**page, "isLast": page["startAt"] + len(page["values"]) >= page["total"]})


async def sprints(call: Call) -> Response:
    """The sprints of a board, of the states asked for."""
    board = call.path["boardId"]
    owner = next((one for one in call.site.projects.values() if str(one.board_id) == board), None)
    if owner is None or owner.deleted:
        raise RefusedError(404, "The requested board cannot be viewed because it does not exist.")
    call.project(owner.key)
    states = set(call.query.get("state", "active,future,closed").split(","))
    found = [sprint for sprint in owner.sprints if sprint.state in states]
    page = _page(
        call, "values", [sprint_shape(call.api_url, one) for one in found], default=50, most=50
    )
    is_last = page["startAt"] + len(page["values"]) >= page["total"]
    return answer(
        {key: value for key, value in page.items() if key != "total"} | {"isLast": is_last}
    )


def _is_called(account: Account, beginning: str) -> bool:
    name = account.name.casefold()
    return any(
        text.startswith(beginning) for text in (account.email.casefold(), name, *name.split())
    )


def _creatable(call: Call) -> Project:
    project = call.project(call.path["projectIdOrKey"])
    call.require(
        "CREATE_ISSUES", project.key, "You do not have permission to create issues in this project."
    )
    return project


def _page(
    call: Call, name: str, items: Sequence[Any], *, default: int = 50, most: int = 200
) -> dict[str, Any]:
    start = call.number("startAt", 0, 1_000_000)
    size = call.number("maxResults", default, most)
    page = list(items[start : start + size])
    return {"startAt": start, "maxResults": size, "total": len(items), name: page}


def _field(call: Call, project: Project, key: str, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {**_TYPES.get(key, {"type": key}), "system": key}
    if key == SPRINT_FIELD:
        schema = {
            "type": "array",
            "items": "json",
            "custom": _SPRINT_TYPE,
            "customId": int(key.rpartition("_")[2]),
        }
    shape: dict[str, Any] = {
        "fieldId": key,
        "key": key,
        "name": name,
        "required": key in project.required or key in ("summary", "issuetype", "project"),
        "schema": schema,
        "operations": ["add", "set", "remove"] if schema["type"] == "array" else ["set"],
        "hasDefaultValue": key in ("priority", "reporter"),
    }
    if key == "priority":
        shape["allowedValues"] = [priority_shape(call.api_url, one) for one in PRIORITIES]
    return shape


def _extra(extra: ExtraField) -> dict[str, Any]:
    kind = {"string": "textfield", "number": "float", "option": "select"}[extra.type]
    shape: dict[str, Any] = {
        "fieldId": extra.id,
        "key": extra.id,
        "name": extra.name,
        "required": extra.required,
        "schema": {
            "type": extra.type,
            "custom": f"com.atlassian.jira.plugin.system.customfieldtypes:{kind}",
            "customId": int(extra.id.rpartition("_")[2]),
        },
        "operations": ["set"],
        "hasDefaultValue": False,
    }
    if extra.options:
        shape["allowedValues"] = [{"value": option} for option in extra.options]
    return shape


_READ = frozenset({"read:jira-work"})
_READ_PEOPLE = frozenset({"read:jira-user"})
# Jira Software has no classic scopes.
_READ_BOARDS = frozenset({"read:board-scope:jira-software", "read:project:jira"})
_READ_SPRINTS = frozenset({"read:sprint:jira-software"})
_META = "/rest/api/3/issue/createmeta/{projectIdOrKey}/issuetypes"

ENDPOINTS = (
    Endpoint(method="GET", path="/rest/api/3/myself", handle=myself, scopes=_READ_PEOPLE),
    Endpoint(method="GET", path="/rest/api/3/serverInfo", handle=server_info, scopes=_READ),
    Endpoint(
        method="GET", path="/rest/api/3/project/{projectIdOrKey}", handle=get_project, scopes=_READ
    ),
    Endpoint(method="GET", path="/rest/api/3/mypermissions", handle=my_permissions, scopes=_READ),
    Endpoint(method="GET", path="/rest/api/3/priority", handle=list_priorities, scopes=_READ),
    Endpoint(
        method="GET",
        path="/rest/api/3/user/assignable/search",
        handle=assignable_people,
        scopes=_READ_PEOPLE,
    ),
    Endpoint(method="GET", path=_META, handle=issue_types, scopes=_READ),
    Endpoint(method="GET", path=f"{_META}/{{issueTypeId}}", handle=issue_type_fields, scopes=_READ),
    Endpoint(method="GET", path="/rest/agile/1.0/board", handle=boards, scopes=_READ_BOARDS),
    Endpoint(
        method="GET",
        path="/rest/agile/1.0/board/{boardId}/sprint",
        handle=sprints,
        scopes=_READ_SPRINTS,
    ),
)
"""What is read to know the site."""
