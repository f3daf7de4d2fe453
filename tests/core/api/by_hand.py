"""What a test puts into the database by hand: states that take long to get into otherwise."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from ticketgen.testing import Api

__all__ = ["execute", "fail", "put_stage", "queued_run", "sent_elsewhere"]


async def execute(api: Api, statement: str, **values: Any) -> None:
    """Run one statement and commit."""
    async with api.runtime.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def put_stage(api: Api, session_id: str, stage: str) -> None:
    """Put a session into a stage, whatever is in it."""
    await execute(
        api, "UPDATE sessions SET stage = :stage WHERE id = :id", stage=stage, id=session_id
    )


async def sent_elsewhere(api: Api, session_id: str, key: str) -> None:
    """Note in the ledger that something was made elsewhere for a session."""
    await execute(
        api,
        "INSERT INTO effects (plugin, operation, key, session_id, attempt, state, over_at, result)"
        " VALUES ('export', 'send:jira:HM', :key, :session, 1, 'done', now(), '{\"value\": {}}')",
        key=key,
        session=session_id,
    )


async def fail(api: Api, session_id: str, message: str, **values: Any) -> None:
    """Store a failure of a session."""
    row = {
        "category": "user_fixable",
        "severity": "blocking",
        "code": "processing.sheets",
        "task": None,
        "at": 0,
        **values,
    }
    await execute(
        api,
        "INSERT INTO session_errors (id, session_id, task_id, error_category, severity,"
        " operation_stage, code, user_message, recovery_actions, technical_details, created_at)"
        " VALUES (gen_random_uuid(), :session, :task, :category, :severity, 'processing', :code,"
        ' :message, \'["Mend it."]\', \'{"traceback": "secret"}\','
        " now() + make_interval(secs => :at))",
        session=session_id,
        message=message,
        **row,
    )


async def queued_run(api: Api, session_id: str) -> str:
    """Start a generation that no worker takes."""
    started = await api.client.post(f"/api/processing/start/{session_id}")
    assert started.status_code == 202, started.text
    return str(started.json()["task_id"])
