"""What every test of the API expects of a refusal, and the small things it needs to provoke one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import text

from ticketgen.testing import Api, drain, start_session

__all__ = [
    "BUNDLES",
    "count_rows",
    "generated_session",
    "ready_for_export",
    "refused",
    "tickets_of",
    "validated",
]

BUNDLES = b"Name,Machine name,Type\nEvent,event,Content type\nNews,news,Content type\n"
"""The smallest sheet tickets can be made from."""

_INSIDE = ("Traceback", "sqlalchemy", "asyncpg", "SELECT ", "INSERT ", "redis.", ".py", "/tmp/")


def refused(answer: httpx2.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem document of an answer, which must be a complete one and tell nothing inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"urn:ticketgen:{problem['code']}"
    assert problem["category"] in {"user_fixable", "admin_required", "temporary"}
    assert problem["message"]
    assert problem["message"] == problem["detail"]
    assert problem["recovery_actions"]
    assert all(problem["recovery_actions"])
    assert str(UUID(problem["error_id"])) == problem["error_id"]
    assert not [inside for inside in _INSIDE if inside in answer.text]
    if code is not None:
        assert problem["code"] == code
    return problem


async def count_rows(api: Api, table: str) -> int:
    """How many rows a table has."""
    async with api.runtime.engine.connect() as connection:
        counted = await connection.execute(text(f"SELECT count(*) FROM {table}"))
        return int(counted.scalar_one())


async def generated_session(api: Api) -> str:
    """A session in review, with two tickets."""
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    started = await api.client.post(f"/api/processing/start/{session_id}")
    assert started.status_code == 202, started.text
    await drain(api.runtime)
    return session_id


async def validated(api: Api, session_id: str) -> None:
    """Validate the session's tickets."""
    started = await api.client.post(f"/api/adf_validation/start/{session_id}")
    assert started.status_code == 202, started.text
    await drain(api.runtime)


async def ready_for_export(api: Api) -> str:
    """A session whose tickets are validated."""
    session_id = await generated_session(api)
    await validated(api, session_id)
    return session_id


async def tickets_of(api: Api, session_id: str) -> list[dict[str, Any]]:
    """The session's tickets as the list has them."""
    listed = await api.client.get(f"/api/sessions/{session_id}/tickets")
    found: list[dict[str, Any]] = listed.json()["tickets"]
    return found
