"""What Jira's and Atlassian's documentation promise of an answer, beyond what the schemas require.

Jira's OpenAPI requires hardly any field, and says nothing of the agile API and of OAuth. This is
what a client relies on, written down by hand.
"""

from __future__ import annotations

from typing import Any

__all__ = ["ERROR_COLLECTION", "GATEWAY_REFUSAL", "PROMISES"]

_TEXT = {"type": "string", "minLength": 1}
_NUMBER = {"type": "integer", "minimum": 0}


def _with(**properties: Any) -> dict[str, Any]:
    """An object that has all of these; a name that is no word of Python gets a `_` less."""
    named = {name.removesuffix("_"): schema for name, schema in properties.items()}
    return {"type": "object", "required": list(named), "properties": named}


def _list_of(schema: Any) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _exactly(**properties: Any) -> dict[str, Any]:
    return {**_with(**properties), "additionalProperties": False}


ERROR_COLLECTION = {
    **_with(
        errorMessages=_list_of(_TEXT),
        errors={"type": "object", "additionalProperties": _TEXT},
    ),
    "anyOf": [
        {"properties": {"errorMessages": {"minItems": 1}}},
        {"properties": {"errors": {"minProperties": 1}}},
    ],
}
"""What every refusal of Jira looks like, and it says something."""

GATEWAY_REFUSAL = _exactly(code=_NUMBER, message=_TEXT)
"""What the gateway before Jira answers by itself."""

_OAUTH_ERROR = _exactly(error=_TEXT, error_description=_TEXT)
_CREATED = _exactly(
    id=_TEXT, key={"type": "string", "pattern": "^[A-Z][A-Z0-9_]+-[0-9]+$"}, self=_TEXT
)
_FAILED = _exactly(status=_NUMBER, elementErrors=ERROR_COLLECTION, failedElementNumber=_NUMBER)
_USER = _with(
    accountId=_TEXT, accountType=_TEXT, displayName=_TEXT, active={"type": "boolean"}, self=_TEXT
)
_PAGED = {"startAt": _NUMBER, "maxResults": _NUMBER}
_FIELD = _with(
    fieldId=_TEXT, key=_TEXT, name=_TEXT, required={"type": "boolean"}, schema=_with(type=_TEXT)
)
_SEARCHED = {
    **_with(issues=_list_of(_with(id=_TEXT)), isLast={"type": "boolean"}),
    "if": {"properties": {"isLast": {"const": False}}},
    "then": {"required": ["nextPageToken"]},
    "else": {"not": {"required": ["nextPageToken"]}},
}
_LINK_TYPE = _with(id=_TEXT, name=_TEXT, inward=_TEXT, outward=_TEXT)
_META = "GET /rest/api/3/issue/createmeta/{projectIdOrKey}/issuetypes"
_ISSUE = "/rest/api/3/issue/{issueIdOrKey}"

PROMISES: dict[tuple[str, int], Any] = {
    ("POST /rest/api/3/issue", 201): _CREATED,
    ("POST /rest/api/3/issue/bulk", 201): _exactly(
        issues={**_list_of(_CREATED), "minItems": 1}, errors=_list_of(_FAILED)
    ),
    ("POST /rest/api/3/issue/bulk", 400): _exactly(
        issues={**_list_of(_CREATED), "maxItems": 0}, errors={**_list_of(_FAILED), "minItems": 1}
    ),
    (f"GET {_ISSUE}", 200): _with(id=_TEXT, key=_TEXT, self=_TEXT, fields={"type": "object"}),
    (f"GET {_ISSUE}/properties", 200): _with(keys=_list_of(_with(key=_TEXT, self=_TEXT))),
    (f"GET {_ISSUE}/properties/{{propertyKey}}", 200): _exactly(key=_TEXT, value=True),
    (f"POST {_ISSUE}/attachments", 200): _list_of(
        _with(id=_TEXT, filename=_TEXT, size=_NUMBER, created=_TEXT, mimeType=_TEXT, content=_TEXT)
    ),
    ("GET /rest/api/3/search/jql", 200): _SEARCHED,
    ("POST /rest/api/3/search/jql", 200): _SEARCHED,
    ("GET /rest/api/3/myself", 200): _USER,
    ("GET /rest/api/3/user/assignable/search", 200): _list_of(_USER),
    ("GET /rest/api/3/serverInfo", 200): _with(baseUrl=_TEXT, deploymentType=_TEXT),
    ("GET /rest/api/3/project/{projectIdOrKey}", 200): _with(
        id=_TEXT, key=_TEXT, name=_TEXT, issueTypes=_list_of(_with(id=_TEXT, name=_TEXT))
    ),
    ("GET /rest/api/3/mypermissions", 200): _with(
        permissions={
            "type": "object",
            "additionalProperties": _with(key=_TEXT, havePermission={"type": "boolean"}),
        }
    ),
    ("GET /rest/api/3/priority", 200): _list_of(_with(id=_TEXT, name=_TEXT)),
    ("GET /rest/api/3/issueLinkType", 200): _with(issueLinkTypes=_list_of(_LINK_TYPE)),
    (_META, 200): _with(total=_NUMBER, issueTypes=_list_of(_with(id=_TEXT, name=_TEXT)), **_PAGED),
    (f"{_META}/{{issueTypeId}}", 200): _with(total=_NUMBER, fields=_list_of(_FIELD), **_PAGED),
    ("GET /rest/agile/1.0/board", 200): _with(
        isLast={"type": "boolean"},
        values=_list_of(_with(id=_NUMBER, self=_TEXT, name=_TEXT, type=_TEXT)),
        **_PAGED,
    ),
    ("GET /rest/agile/1.0/board/{boardId}/sprint", 200): _with(
        isLast={"type": "boolean"},
        values=_list_of(_with(id=_NUMBER, self=_TEXT, name=_TEXT, state=_TEXT)),
        **_PAGED,
    ),
    ("POST /oauth/token", 200): _with(
        access_token=_TEXT, expires_in=_NUMBER, scope=_TEXT, token_type={"const": "Bearer"}
    ),
    ("POST /oauth/token", 400): _OAUTH_ERROR,
    ("POST /oauth/token", 401): _OAUTH_ERROR,
    ("POST /oauth/token", 403): _OAUTH_ERROR,
    ("GET /oauth/token/accessible-resources", 200): _list_of(
        _with(id=_TEXT, name=_TEXT, url=_TEXT, scopes=_list_of(_TEXT))
    ),
    ("GET /oauth/token/accessible-resources", 401): GATEWAY_REFUSAL,
    ("GET /authorize", 400): _OAUTH_ERROR,
    ("POST /oauth/revoke", 401): _OAUTH_ERROR,
}
"""By method and path, and by status."""
