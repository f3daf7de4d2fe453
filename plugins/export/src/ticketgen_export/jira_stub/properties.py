"""Properties of issues: values that apps keep on them, under keys of their own."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from ticketgen_export.jira_stub.answers import RefusedError, answer, nothing
from ticketgen_export.jira_stub.call import Call, Endpoint

__all__ = ["ENDPOINTS", "checked_property"]

_LONGEST_KEY = 255
_LONGEST_VALUE = 32_768


def checked_property(key: Any, value: Any) -> tuple[str, Any]:
    """The two, if Jira stores them.

    Raises:
        RefusedError: the key is no text or too long, the value is missing or too long.
    """
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY:
        raise RefusedError(400, "The property key has to have 1 to 255 characters.")
    if value is None or len(json.dumps(value)) > _LONGEST_VALUE:
        raise RefusedError(
            400, f"The value of '{key}' has to be JSON of at most 32,768 characters."
        )
    return key, value


async def list_properties(call: Call) -> Response:
    """The keys, each with where to read it."""
    issue = call.issue()
    url = f"{call.api_url}/rest/api/3/issue/{issue.key}/properties"
    keys = [{"key": key, "self": f"{url}/{key}"} for key in issue.properties]
    return answer({"keys": keys})


async def get_property(call: Call) -> Response:
    """Key and value; 404 if the issue has none of that key."""
    issue, key = call.issue(), call.path["propertyKey"]
    if key not in issue.properties:
        raise RefusedError(404, "The property was not found.")
    return answer({"key": key, "value": issue.properties[key]})


async def put_property(call: Call) -> Response:
    """201 for a new key, 200 for one that had a value."""
    issue = call.issue()
    call.require("EDIT_ISSUES", issue.project, "You do not have permission to edit issues.")
    key, value = checked_property(call.path["propertyKey"], await call.json())
    status = 200 if key in issue.properties else 201
    issue.properties[key] = value
    call.site.index(issue)
    return nothing(status)


async def delete_property(call: Call) -> Response:
    """204; 404 if the issue has none of that key."""
    issue = call.issue()
    call.require("EDIT_ISSUES", issue.project, "You do not have permission to edit issues.")
    if call.path["propertyKey"] not in issue.properties:
        raise RefusedError(404, "The property was not found.")
    del issue.properties[call.path["propertyKey"]]
    call.site.index(issue)
    return nothing()


_PATH = "/rest/api/3/issue/{issueIdOrKey}/properties"
_READ = frozenset({"read:jira-work"})
_WRITE = frozenset({"write:jira-work"})

ENDPOINTS = (
    Endpoint(method="GET", path=_PATH, handle=list_properties, scopes=_READ),
    Endpoint(method="GET", path=f"{_PATH}/{{propertyKey}}", handle=get_property, scopes=_READ),
    Endpoint(method="PUT", path=f"{_PATH}/{{propertyKey}}", handle=put_property, scopes=_WRITE),
    Endpoint(
        method="DELETE", path=f"{_PATH}/{{propertyKey}}", handle=delete_property, scopes=_WRITE
    ),
)
"""Properties of an issue."""
