"""Whether what a client and the stand-in say to each other is what Jira's OpenAPI allows.

The slice of Jira's OpenAPI is asked where TICKETGEN_SPEC_DIR names a folder with it; what its
documentation promises beyond that is asked everywhere. Any test may use it::

    conformance = Conformance(stub)
    ...
    assert conformance.problems() == []
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

import jsonschema_rs
import pytest

from tests.plugins.export.jira_promises import ERROR_COLLECTION, GATEWAY_REFUSAL, PROMISES
from ticketgen_export.jira_stub import Exchange, FaultKind, JiraStub

__all__ = ["Conformance", "needs_openapi"]

SPEC_DIR = os.getenv("TICKETGEN_SPEC_DIR")

needs_openapi = pytest.mark.skipif(
    SPEC_DIR is None, reason="TICKETGEN_SPEC_DIR names no folder with jira/openapi-slice.json"
)

_SPOILING = frozenset({FaultKind.HTML_PAGE, FaultKind.HTML_PAGE_AFTER, FaultKind.TRUNCATED})
_ANYWHERE = frozenset({400, 401, 403, 404, 405, 415, 422, 429, 500, 503})
"""Refusals that may come from any path, whether the slice names them there or not."""

Requests = Literal["all", "accepted"]


class Conformance:
    """Listens to a stand-in from now on; `requests` are the bodies that have to be right.

    "all" is for tests of a client, "accepted" for tests that send wrong ones on purpose.
    """

    def __init__(self, stub: JiraStub, *, requests: Requests = "all") -> None:
        self._requests = requests
        self._exchanges: list[Exchange] = []
        stub.log.observers.append(self._exchanges.append)

    def problems(self) -> list[str]:
        """What was said and is not allowed: one line for each, the first time it occurred."""
        found = dict.fromkeys(
            f"{exchange.record.template} {exchange.record.status}: {problem}"
            for exchange in self._exchanges
            for problem in (*self._of_request(exchange), *_of_answer(exchange))
        )
        return list(found)

    def _of_request(self, exchange: Exchange) -> Iterator[str]:
        status = exchange.record.status
        operation = _operation(exchange.record.template)
        was_accepted = status is not None and status < 300
        if operation is None or not (was_accepted or self._requests == "all"):
            return
        known = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"}
        for name, _ in parse_qsl(exchange.query, keep_blank_values=True):
            if name not in known:
                yield f"the request has an unknown parameter {name!r}"
        content = operation.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in content:
            if not exchange.request_type.startswith("multipart/form-data"):
                yield f"the request is {exchange.request_type!r}, not multipart/form-data"
        elif content:
            schema = content["application/json"]["schema"]
            yield from _wrong("the request", exchange.request_body, _slice_validator(schema))


def _of_answer(exchange: Exchange) -> Iterator[str]:
    record = exchange.record
    if record.status is None or record.fault in _SPOILING or record.status == 302:
        return
    body = exchange.response_body
    if body and not exchange.response_type.startswith("application/json"):
        yield f"the answer is {exchange.response_type!r}"
        return
    promised = PROMISES.get((record.template, record.status))
    is_gateways = exchange.is_gateway and b'"code"' in body
    if is_gateways:
        promised = GATEWAY_REFUSAL
    elif promised is None and record.status >= 400:
        promised = ERROR_COLLECTION
    if promised is not None:
        yield from _wrong("the answer", body, _validator(json.dumps(promised)))
    if not is_gateways:
        yield from _against_slice(exchange)


def _against_slice(exchange: Exchange) -> Iterator[str]:
    record = exchange.record
    operation = _operation(record.template)
    if operation is None:
        return
    responses = operation["responses"]
    if str(record.status) not in responses:
        if record.status not in _ANYWHERE:
            yield "a status that Jira does not document here"
        return
    content = responses[str(record.status)].get("content", {}).get("application/json")
    schema = (content or {}).get("schema")
    if schema:
        yield from _wrong("the answer", exchange.response_body, _slice_validator(schema))
    elif record.status is not None and record.status < 300 and exchange.response_body:
        yield "a body where Jira gives none"


def _wrong(what: str, body: bytes, validator: jsonschema_rs.Draft202012Validator) -> Iterator[str]:
    try:
        said = json.loads(body)
    except ValueError:
        yield f"{what} is no JSON: {body[:80]!r}"
        return
    for error in validator.iter_errors(said):
        yield f"{what} at /{'/'.join(map(str, error.instance_path))}: {error.message[:200]}"


@cache
def _openapi() -> Any:
    """The slice of Jira's OpenAPI as JSON Schema knows it; None where it is not at hand."""
    if SPEC_DIR is None:
        return None
    return _without_nullable(
        json.loads((Path(SPEC_DIR) / "jira" / "openapi-slice.json").read_text(encoding="utf-8"))
    )


def _operation(template: str) -> Any:
    """What the slice says of a path; None where it says nothing, or is not at hand."""
    method, _, path = template.partition(" ")
    found = (_openapi() or {"paths": {}})["paths"].get(path, {})
    return found.get(method.lower())


def _slice_validator(schema: Any) -> jsonschema_rs.Draft202012Validator:
    """References of the slice lead into its components, which stand beside the schema."""
    return _validator(json.dumps({**schema, "components": _openapi()["components"]}))


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(schema))


def _without_nullable(node: Any) -> Any:
    """OpenAPI 3.0 writes `nullable` where JSON Schema has the type null."""
    if isinstance(node, list):
        return [_without_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _without_nullable(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True and isinstance(node.get("type"), str):
        plain["type"] = [node["type"], "null"]
    return plain
