from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from ticketgen.testing import Api

pytestmark = pytest.mark.services

CALLBACK = "GET /api/export/connections/oauth/callback"
"""Answers a browser with pages, not a program with problems."""


async def _operations(api: Api) -> dict[str, dict[str, Any]]:
    document = (await api.client.get("/api/openapi.json")).json()
    return {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


async def test_every_operation_has_a_summary_and_a_description(api: Api) -> None:
    operations = await _operations(api)

    bare = [
        name
        for name, operation in operations.items()
        if not operation.get("summary") or not operation.get("description")
    ]
    assert len(operations) > 30
    assert bare == []


async def test_every_operation_has_an_id_of_its_own(api: Api) -> None:
    operations = await _operations(api)

    ids = [operation["operationId"] for operation in operations.values()]
    assert len(set(ids)) == len(ids)


async def test_every_operation_but_liveness_says_which_problems_it_answers_with(
    api: Api,
) -> None:
    operations = await _operations(api)

    silent = [
        (name, status)
        for name, operation in operations.items()
        for status in ("401", "500", "503")
        if status not in operation["responses"]
    ]
    assert {name for name, _ in silent} == {"GET /health/live", CALLBACK}


async def test_every_problem_is_described_as_a_problem_document(api: Api) -> None:
    operations = await _operations(api)

    others = [
        (name, status)
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if int(status) >= 400
        and (name, status) not in {("GET /health/ready", "503"), (CALLBACK, "400")}
        and response["content"]
        != {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    ]
    assert others == []


async def test_every_reference_leads_somewhere(api: Api) -> None:
    document = (await api.client.get("/api/openapi.json")).json()
    schemas = document["components"]["schemas"]
    wanted: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                wanted.add(value["$ref"].rpartition("/")[2])
            for item in value.values():
                collect(item)
        elif isinstance(value, list):
            for item in value:
                collect(item)

    collect(document)

    assert "Problem" in wanted
    assert wanted - schemas.keys() == set()


def _require_no_null(schema: dict[str, Any]) -> None:
    # FastAPI leaves every null out of the examples it publishes.
    fields = schema.get("properties", {})
    schema["required"] = [
        name
        for name in schema.get("required", ())
        if {"type": "null"} not in fields[name].get("anyOf", ())
    ]


async def _objects(api: Api) -> dict[str, dict[str, Any]]:
    document = (await api.client.get("/api/openapi.json")).json()
    for schema in document["components"]["schemas"].values():
        _require_no_null(schema)
    return {
        name: {**schema, "components": document["components"]}
        for name, schema in document["components"]["schemas"].items()
        if schema.get("type") == "object"
    }


async def test_every_body_has_an_example(api: Api) -> None:
    objects = await _objects(api)

    assert len(objects) > 30
    assert [name for name, schema in objects.items() if not schema.get("examples")] == []


async def test_every_example_keeps_to_its_schema(api: Api) -> None:
    objects = await _objects(api)

    wrong = [
        f"{name}: {error.message}"
        for name, schema in objects.items()
        for example in schema.get("examples", ())
        for error in jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(
            example
        )
    ]
    assert wrong == []


async def test_no_example_has_a_field_its_schema_does_not_know(api: Api) -> None:
    objects = await _objects(api)

    unknown = [
        (name, field)
        for name, schema in objects.items()
        for example in schema.get("examples", ())
        for field in example.keys() - schema.get("properties", {}).keys()
    ]
    assert unknown == []
