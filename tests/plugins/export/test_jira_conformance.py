"""The judge of answers and requests judges: what is wrong is seen, what is right is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.plugins.export.jira_conformance import Conformance, needs_openapi
from tests.plugins.export.jira_stub.site import CREATE
from ticketgen_export.jira_stub import Exchange, FaultKind, JiraStub, Record

SELF = "http://127.0.0.1/rest/api/3/issue/1"


def _problems(
    template: str = CREATE,
    status: int = 201,
    answered: Any = None,
    sent: Any = None,
    *,
    requests: Any = "all",
    **changes: Any,
) -> list[str]:
    """What is said of one exchange."""
    stub = JiraStub()
    conformance = Conformance(stub, requests=requests)
    method, _, path = template.partition(" ")
    fault = changes.pop("fault", None)
    record = Record(
        number=1, at=0.0, method=method, path=path, template=template, status=status, fault=fault
    )
    usual: dict[str, Any] = {
        "is_gateway": False,
        "query": "",
        "request_type": "application/json",
        "request_body": json.dumps({"fields": {}} if sent is None else sent).encode(),
        "response_type": "application/json",
        "response_body": b"" if answered is None else json.dumps(answered).encode(),
    }
    stub.log.add(Exchange(record=record, **{**usual, **changes}))
    return conformance.problems()


CREATED = {"id": "1", "key": "DEMO-1", "self": SELF}


def test_what_is_right_is_no_problem() -> None:
    assert _problems(answered=CREATED) == []
    assert _problems(status=400, answered={"errorMessages": ["No."], "errors": {}}) == []


@pytest.mark.parametrize(
    ("exchange", "problem"),
    [
        ({"answered": {"id": "1", "key": "DEMO-1"}}, '"self" is a required property'),
        ({"answered": {**CREATED, "key": "demo"}}, "does not match"),
        ({"answered": None}, "the answer is no JSON"),
        ({"status": 400, "answered": {"message": "No."}}, "required property"),
        ({"status": 400, "answered": {"errorMessages": [], "errors": {}}}, "not valid under any"),
        ({"answered": CREATED, "response_type": "text/html"}, "the answer is 'text/html'"),
        ({"template": "POST /oauth/token", "status": 403, "answered": {"error": "x"}}, "required"),
    ],
)
def test_an_answer_that_breaks_a_promise_is_seen(exchange: Any, problem: str) -> None:
    assert any(problem in one for one in _problems(**exchange))


@needs_openapi
@pytest.mark.parametrize(
    ("exchange", "problem"),
    [
        ({"answered": {**CREATED, "colour": "red"}}, "'colour' was unexpected"),
        ({"answered": CREATED, "sent": {"fields": []}}, "the request at /fields"),
        ({"answered": CREATED, "query": "colour=red"}, "unknown parameter 'colour'"),
        ({"status": 418, "answered": {"errorMessages": ["T."], "errors": {}}}, "not document"),
        (
            {"template": "PUT /rest/api/3/issue/{issueIdOrKey}", "status": 204, "answered": {}},
            "a body where Jira gives none",
        ),
        (
            {
                "template": "POST /rest/api/3/issue/{issueIdOrKey}/attachments",
                "status": 200,
                "answered": [],
            },
            "not multipart/form-data",
        ),
    ],
)
def test_what_the_openapi_does_not_allow_is_seen(exchange: Any, problem: str) -> None:
    said = _problems(**exchange)

    assert any(problem in one for one in said), said


@needs_openapi
def test_a_wrong_request_that_was_refused_may_be_left_out() -> None:
    refused: Any = {"status": 400, "answered": {"errorMessages": ["No."], "errors": {}}, "sent": []}

    assert _problems(**refused) != []
    assert _problems(**refused, requests="accepted") == []


@pytest.mark.parametrize("fault", [FaultKind.TRUNCATED, FaultKind.HTML_PAGE_AFTER])
def test_an_answer_that_was_spoiled_on_purpose_is_not_judged(fault: FaultKind) -> None:
    assert _problems(answered=None, response_type="text/html", fault=fault) == []
