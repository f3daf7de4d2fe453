"""Whether the fields of a create or an edit are what Jira takes, and what it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ticketgen_export.jira_stub.nouns import (
    PRIORITIES,
    SPRINT_FIELD,
    Account,
    ExtraField,
    Project,
)
from ticketgen_export.jira_stub.site import Site

__all__ = ["LONGEST_SUMMARY", "Checked", "check_fields", "usual_fields"]

LONGEST_SUMMARY = 255
_LONGEST_LABEL = 255
_CANNOT_BE_SET = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."


@dataclass(kw_only=True)
class Checked:
    """The fields as they would be stored, and what is wrong with those that are left out."""

    fields: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class _WrongValueError(Exception):
    """A value that a field does not take; the text is what Jira would say."""


@dataclass(frozen=True, kw_only=True)
class _Desk:
    """What a value is checked against."""

    site: Site
    project: Project
    account: Account


def usual_fields(project: Project) -> dict[str, str]:
    """Id and name of every field on the project's screens that is not one of its own."""
    fields = {
        "summary": "Summary",
        "issuetype": "Issue Type",
        "project": "Project",
        "description": "Description",
        "assignee": "Assignee",
        "priority": "Priority",
        "labels": "Labels",
        "attachment": "Attachment",
        "issuelinks": "Linked Issues",
        "reporter": "Reporter",
    }
    if project.board_id is not None:
        fields[SPRINT_FIELD] = "Sprint"
    return {key: name for key, name in fields.items() if key not in project.hidden}


def check_fields(
    site: Site, project: Project, account: Account, sent: Mapping[str, Any], *, is_new: bool
) -> Checked:
    """Look at every field by itself; on an edit nothing is required but what is sent."""
    desk = _Desk(site=site, project=project, account=account)
    checked = Checked()
    own = {extra.id: extra for extra in project.extra_fields}
    usual = usual_fields(project)
    for key, value in sent.items():
        try:
            if key in own:
                checked.fields[key] = _extra(own[key], value)
            elif key in usual and key in _CHECKS:
                checked.fields[key] = _CHECKS[key](desk, value)
            else:
                raise _WrongValueError(_CANNOT_BE_SET.format(key))
        except _WrongValueError as wrong:
            checked.errors[key] = str(wrong)
    if is_new:
        _require(checked, project, usual, sent)
    return checked


def _require(
    checked: Checked, project: Project, usual: Mapping[str, str], sent: Mapping[str, Any]
) -> None:
    own = {extra.id: extra.name for extra in project.extra_fields if extra.required}
    needed = own | {key: usual[key] for key in project.required if key in usual}
    for key, name in needed.items():
        if key not in checked.errors and sent.get(key) in (None, "", [], {}):
            checked.errors[key] = f"{name} is required."
    if "summary" not in sent:
        checked.errors["summary"] = "You must specify a summary of the issue."
    if "issuetype" not in sent:
        checked.errors["issuetype"] = "Specify an issue type"


def _summary(_: _Desk, value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongValueError("Operation value must be a string")
    if not value.strip():
        raise _WrongValueError("You must specify a summary of the issue.")
    if "\n" in value or "\r" in value:
        raise _WrongValueError("The summary is invalid because it contains newline characters.")
    if len(value) > LONGEST_SUMMARY:
        raise _WrongValueError(f"Summary can't exceed {LONGEST_SUMMARY} characters.")
    return value


def _issue_type(desk: _Desk, value: Any) -> dict[str, str]:
    for key, name in desk.project.issue_types.items():
        if isinstance(value, Mapping) and (value.get("id") == key or value.get("name") == name):
            return {"id": key, "name": name}
    raise _WrongValueError("Specify a valid issue type")


def _project(desk: _Desk, _: Any) -> dict[str, str]:
    return {"id": desk.project.id, "key": desk.project.key}


def _description(_: _Desk, value: Any) -> Any:
    if value is not None and not (
        isinstance(value, Mapping)
        and value.get("type") == "doc"
        and value.get("version") == 1
        and isinstance(value.get("content"), list)
    ):
        raise _WrongValueError(
            "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
        )
    return value


def _assignee(desk: _Desk, value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _WrongValueError("data was not an object")
    wanted = value.get("accountId", value.get("id"))
    if wanted is None:
        return None
    if not desk.account.may("ASSIGN_ISSUES", desk.project.key):
        raise _WrongValueError("You do not have permission to assign issues.")
    found = desk.site.account(str(wanted))
    if found is None:
        raise _WrongValueError("Specify a valid value for Assignee")
    if not found.may("ASSIGNABLE_USER", desk.project.key):
        raise _WrongValueError(f"User '{wanted}' cannot be assigned issues.")
    return {"accountId": found.account_id}


def _reporter(desk: _Desk, value: Any) -> dict[str, str]:
    wanted = value.get("accountId", value.get("id")) if isinstance(value, Mapping) else None
    found = desk.site.account(str(wanted))
    if found is None:
        raise _WrongValueError("The reporter specified is not a user.")
    return {"accountId": found.account_id}


def _priority(_: _Desk, value: Any) -> dict[str, str]:
    for key, name in PRIORITIES.items():
        if isinstance(value, Mapping) and (value.get("id") == key or value.get("name") == name):
            return {"id": key, "name": name}
    raise _WrongValueError("The priority selected is invalid.")


def _labels(_: _Desk, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise _WrongValueError("Operation value must be an array of strings")
    for label in value:
        if any(letter.isspace() for letter in label):
            raise _WrongValueError(f"The label '{label}' contains spaces which is invalid.")
        if not label or len(label) > _LONGEST_LABEL:
            raise _WrongValueError(
                f"The label '{label}' exceeds the maximum length of 255 characters."
            )
    return sorted(set(value))


def _sprint(desk: _Desk, value: Any) -> int | None:
    if not desk.account.may("SCHEDULE_ISSUES", desk.project.key):
        raise _WrongValueError(_CANNOT_BE_SET.format(SPRINT_FIELD))
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _WrongValueError("Number value expected as the Sprint id.")
    known = {sprint.id: sprint for sprint in desk.project.sprints}
    if value not in known:
        raise _WrongValueError(f"Sprint with id '{value}' does not exist, or you cannot see it.")
    if known[value].state == "closed":
        raise _WrongValueError("Issue can be assigned only to an active or a future sprint.")
    return value


def _extra(extra: ExtraField, value: Any) -> Any:
    if value is None:
        return None
    if extra.type == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _WrongValueError("Operation value must be a number")
        return value
    if extra.type == "option":
        named = value.get("value") if isinstance(value, Mapping) else None
        if named not in extra.options:
            raise _WrongValueError("Specify a valid 'id' or 'name' for " + extra.name)
        return {"value": named}
    if not isinstance(value, str):
        raise _WrongValueError("Operation value must be a string")
    return value


_CHECKS: Mapping[str, Callable[[_Desk, Any], Any]] = {
    "summary": _summary,
    "issuetype": _issue_type,
    "project": _project,
    "description": _description,
    "assignee": _assignee,
    "reporter": _reporter,
    "priority": _priority,
    "labels": _labels,
    SPRINT_FIELD: _sprint,
}
