"""Creating, reading, editing and deleting issues, one by one and fifty at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from ticketgen_export.jira_stub import descriptions
from ticketgen_export.jira_stub.answers import RefusedError, answer, error_collection, nothing
from ticketgen_export.jira_stub.call import Call, Endpoint
from ticketgen_export.jira_stub.fields import check_fields
from ticketgen_export.jira_stub.nouns import Issue, Project
from ticketgen_export.jira_stub.properties import checked_property
from ticketgen_export.jira_stub.shapes import issue_shape

__all__ = ["ENDPOINTS", "LARGEST_BATCH"]

LARGEST_BATCH = 50
"""Issues that one request may create."""

_TOO_LONG = (
    "The entered text is too long. It exceeds the allowed limit of "
    f"{descriptions.LONGEST_DESCRIPTION:,} characters."
)
_NOT_NOW = "We couldn't process this item."


async def create_issue(call: Call) -> Response:
    """201 with id and key; the number is taken before the work begins."""
    prepared = _prepared(call, await call.object())
    await asyncio.sleep(call.pacing.work.total_seconds())
    _lose(call, [prepared[0]])
    return answer(_created(call, _commit(call, *prepared)), 201)


async def create_issues(call: Call) -> Response:
    """201 if at least one was created, with what became of the others; else 400."""
    sent = (await call.object()).get("issueUpdates")
    if not isinstance(sent, list) or not sent:
        raise RefusedError(400, body=_batch([], [_failed(0, 400, "No issues were sent.")]))
    if len(sent) > LARGEST_BATCH:
        message = f"You can create at most {LARGEST_BATCH} issues in one request."
        raise RefusedError(400, body=_batch([], [_failed(LARGEST_BATCH, 400, message)]))
    prepared, errors = [], []
    for position, element in enumerate(sent):
        try:
            if position in call.pacing.failing:
                raise RefusedError(500, _NOT_NOW)
            prepared.append(_prepared(call, element if isinstance(element, dict) else {}))
        except RefusedError as refusal:
            errors.append(
                {
                    "status": refusal.status,
                    "elementErrors": refusal.body,
                    "failedElementNumber": position,
                }
            )
    await asyncio.sleep(call.pacing.work.total_seconds())
    _lose(call, [project for project, *_ in prepared])
    issues = [_created(call, _commit(call, *one)) for one in prepared]
    return answer(_batch(issues, errors), 201 if issues else 400)


async def get_issue(call: Call) -> Response:
    """The issue, with the fields and properties asked for."""
    issue = call.issue()
    properties = call.query.get("properties", "")
    shape = issue_shape(
        call.site,
        call.api_url,
        issue,
        fields=call.query.get("fields", "*all").split(","),
        properties=[key for key in properties.split(",") if key],
    )
    return answer(shape)


async def edit_issue(call: Call) -> Response:
    """204; every field that was sent is replaced, or none."""
    issue = call.issue()
    call.require("EDIT_ISSUES", issue.project, "You do not have permission to edit issues.")
    body = await call.object()
    project = call.site.projects[issue.project]
    sent = {**_object(body, "fields"), **_label_changes(issue, _object(body, "update"))}
    checked = check_fields(call.site, project, call.account, sent, is_new=False)
    if checked.errors:
        raise RefusedError(400, errors=checked.errors)
    if checked.fields.get("description") is not None:
        _check_description(call, checked.fields["description"])
    issue.fields.update(checked.fields)
    issue.properties.update(_properties(body))
    call.site.index(issue)
    return nothing()


async def delete_issue(call: Call) -> Response:
    """204; its number is never used again."""
    issue = call.issue()
    call.require("DELETE_ISSUES", issue.project, "You do not have permission to delete issues.")
    call.site.delete(issue)
    return nothing()


def _prepared(
    call: Call, body: Mapping[str, Any]
) -> tuple[Project, int, dict[str, Any], dict[str, Any]]:
    """Check everything, and take a number: what is refused after that has burned it."""
    fields = _object(body, "fields")
    project = _project_of(call, fields)
    call.require(
        "CREATE_ISSUES", project.key, "You do not have permission to create issues in this project."
    )
    checked = check_fields(call.site, project, call.account, fields, is_new=True)
    if checked.errors:
        raise RefusedError(400, errors=checked.errors)
    properties = _properties(body)
    description = checked.fields.get("description")
    if description is not None and descriptions.is_too_long(description, call.site.checks):
        call.site.allocate(project)
        call.site.burn(project)
        raise RefusedError(400, errors={"description": _TOO_LONG})
    if description is not None:
        _check_description(call, description)
    return project, call.site.allocate(project), checked.fields, properties


def _project_of(call: Call, fields: Mapping[str, Any]) -> Project:
    named = fields.get("project")
    wanted = (named.get("key") or named.get("id")) if isinstance(named, Mapping) else None
    found = call.site.project(str(wanted)) if wanted else None
    if found is None or not call.account.may("BROWSE_PROJECTS", found.key):
        raise RefusedError(400, errors={"project": "Specify a valid project ID or key"})
    return found


def _check_description(call: Call, document: Mapping[str, Any]) -> None:
    """Refuse what is no document that Jira stores."""
    if descriptions.is_too_long(document, call.site.checks):
        raise RefusedError(400, errors={"description": _TOO_LONG})
    wrong = descriptions.problems(document, call.site.checks)
    if wrong:
        # Jira says INVALID_INPUT and no more; where and why helps whoever rehearses.
        raise RefusedError(400, "INVALID_INPUT", errors={"description": "; ".join(wrong[:5])})


def _lose(call: Call, projects: list[Project]) -> None:
    """Let the numbers that were taken come to nothing, if that is the plan."""
    if not call.pacing.is_lost:
        return
    for project in projects:
        call.site.burn(project)
    raise RefusedError(500, "Internal server error")


def _commit(
    call: Call,
    project: Project,
    number: int,
    fields: dict[str, Any],
    properties: dict[str, Any],
) -> Issue:
    return call.site.create(
        project,
        number,
        fields,
        properties,
        call.account,
        commits_in=call.pacing.commits_in,
    )


def _created(call: Call, issue: Issue) -> dict[str, Any]:
    self_url = f"{call.api_url}/rest/api/3/issue/{issue.id}"
    return {"id": issue.id, "key": issue.key, "self": self_url}


def _batch(issues: list[Any], errors: list[Any]) -> dict[str, Any]:
    return {"issues": issues, "errors": errors}


def _failed(position: int, status: int, message: str) -> dict[str, Any]:
    return {
        "status": status,
        "elementErrors": error_collection(message),
        "failedElementNumber": position,
    }


def _object(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RefusedError(400, f"'{key}' has to be an object.")
    return value


def _properties(body: Mapping[str, Any]) -> dict[str, Any]:
    sent = body.get("properties") or []
    if not isinstance(sent, list) or not all(isinstance(one, dict) for one in sent):
        raise RefusedError(400, "'properties' has to be a list of objects.")
    return dict(checked_property(one.get("key"), one.get("value")) for one in sent)


def _label_changes(issue: Issue, update: Mapping[str, Any]) -> dict[str, Any]:
    """What `update` makes of the labels; other fields are not edited that way here."""
    other = sorted(set(update) - {"labels"})
    if other:
        raise RefusedError(400, errors=dict.fromkeys(other, "Edited through 'fields' only."))
    labels = list(issue.fields.get("labels", []))
    operations = update.get("labels", [])
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise RefusedError(400, errors={"labels": "Operations have to be a list of objects."})
    for operation in operations:
        for verb, value in operation.items():
            if verb == "add":
                labels.append(value)
            elif verb == "remove":
                labels = [label for label in labels if label != value]
            elif verb == "set":
                labels = value if isinstance(value, list) else [value]
    return {"labels": labels} if "labels" in update else {}


_WRITE = frozenset({"write:jira-work"})
_READ = frozenset({"read:jira-work"})

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/rest/api/3/issue",
        handle=create_issue,
        scopes=_WRITE,
        makes_issues=True,
    ),
    Endpoint(
        method="POST",
        path="/rest/api/3/issue/bulk",
        handle=create_issues,
        scopes=_WRITE,
        makes_issues=True,
    ),
    Endpoint(method="GET", path="/rest/api/3/issue/{issueIdOrKey}", handle=get_issue, scopes=_READ),
    Endpoint(
        method="PUT", path="/rest/api/3/issue/{issueIdOrKey}", handle=edit_issue, scopes=_WRITE
    ),
    Endpoint(
        method="DELETE", path="/rest/api/3/issue/{issueIdOrKey}", handle=delete_issue, scopes=_WRITE
    ),
)
"""Issues themselves."""
