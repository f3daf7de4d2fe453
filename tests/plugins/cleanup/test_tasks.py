from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text, update

from tests.plugins import journeys
from ticketgen.database import Base, database_time
from ticketgen.domain import secrets
from ticketgen.domain.audit import AuditEntry
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.tokens import ApiToken
from ticketgen.domain.users import User
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, drain

pytestmark = pytest.mark.services

MARGIN = timedelta(minutes=1)
"""On either side of a border; a test is quicker than this."""


@pytest.fixture
async def runtime(
    settings: Settings, clean_environment: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """A host that deletes two rows at once."""
    clean_environment.setenv("TICKETGEN_CLEANUP_BATCH_SIZE", "2")
    async with open_runtime(settings) as opened:
        yield opened


async def _clean(api: Api, kind: str) -> dict[str, Any]:
    started = await api.client.post(f"/api/cleanup.{kind}/start", headers=api.as_admin)
    assert started.status_code == 202, started.text
    [run] = await drain(api.runtime)
    assert run.status == "completed", run.error
    return run.result_summary or {}


async def _sessions(runtime: Runtime, *ages: timedelta, stage: Stage = Stage.UPLOAD) -> list[UUID]:
    """Sessions that were touched so long ago."""
    async with runtime.session_factory() as db:
        owner = await db.scalar(select(User.id).where(User.name == "mia"))
        now = await database_time(db)
        made = [
            WorkSession(owner_id=owner, name=f"Site {age}", stage=stage, updated_at=now - age)
            for age in ages
        ]
        db.add_all(made)
        await db.commit()
    return [session.id for session in made]


async def _left(runtime: Runtime) -> set[UUID]:
    async with runtime.session_factory() as db:
        return set(await db.scalars(select(WorkSession.id)))


async def _touch(runtime: Runtime, session_id: str, *, age: timedelta) -> None:
    """Let the last work on a session, and the last ending of a run of it, be so long ago."""
    async with runtime.session_factory() as db:
        touched: datetime = await database_time(db) - age
        await db.execute(
            update(WorkSession).where(WorkSession.id == UUID(session_id)).values(updated_at=touched)
        )
        ended = (TaskRun.session_id == UUID(session_id)) & TaskRun.finished_at.is_not(None)
        await db.execute(update(TaskRun).where(ended).values(finished_at=touched))
        await db.commit()


async def test_sessions_are_deleted_after_seven_days_to_the_minute(api: Api) -> None:
    week = timedelta(days=7)
    _, young = await _sessions(api.runtime, week + MARGIN, week - MARGIN)

    summary = await _clean(api, "expired_sessions")

    assert summary == {"deleted_sessions": 1}
    assert await _left(api.runtime) == {young}


@pytest.mark.parametrize("count", [3, 4, 5])
async def test_more_sessions_than_a_batch_holds_all_go(api: Api, count: int) -> None:
    await _sessions(api.runtime, *[timedelta(days=8)] * count)

    summary = await _clean(api, "expired_sessions")

    assert summary == {"deleted_sessions": count}
    assert await _left(api.runtime) == set()


@pytest.mark.parametrize("stage", list(Stage))
async def test_only_completed_sessions_stay(api: Api, stage: Stage) -> None:
    [session_id] = await _sessions(api.runtime, timedelta(days=365), stage=stage)

    await _clean(api, "expired_sessions")

    kept = {session_id} if stage is Stage.COMPLETED else set()
    assert await _left(api.runtime) == kept


async def test_a_session_with_an_active_run_stays_until_the_run_has_ended(api: Api) -> None:
    session_id = await journeys.generated(api)
    started = await journeys.start(api, "adf_validation", session_id)
    await _touch(api.runtime, session_id, age=timedelta(days=30))
    later = text("clock_timestamp() + interval '1 hour'")
    async with api.runtime.session_factory() as db:
        run = TaskRun.id == UUID(started.json()["task_id"])
        await db.execute(update(TaskRun).where(run).values(available_at=later))
        await db.commit()

    await api.client.post("/api/cleanup.expired_sessions/start", headers=api.as_admin)
    done = {run.task_type: run for run in await drain(api.runtime)}

    assert done["cleanup.expired_sessions"].result_summary == {"deleted_sessions": 0}
    assert await _left(api.runtime) == {UUID(session_id)}


async def test_everything_of_a_deleted_session_is_gone_and_its_audit_stays(api: Api) -> None:
    session_id = await journeys.validated(api)
    await journeys.do(api, "export", session_id)
    other = await journeys.generated(
        api, {"Bundles.csv": b"Name,Machine name,Type\nA,a,Vocabulary\n"}
    )
    async with api.runtime.session_factory() as db:
        gone = WorkSession.id == UUID(session_id)
        await db.execute(update(WorkSession).where(gone).values(stage=Stage.JIRA_EXPORT))
        await db.commit()
    await _touch(api.runtime, session_id, age=timedelta(days=8))

    await _clean(api, "expired_sessions")

    assert await _left(api.runtime) == {UUID(other)}
    rows = await _rows_by_table(api.runtime, UUID(session_id))
    assert rows.pop("audit_log") > 5
    assert rows.keys() >= {"artifacts", "session_errors", "session_tasks", "tickets", "uploads"}
    assert set(rows.values()) == {0}
    async with api.runtime.session_factory() as db:
        steps = await db.scalar(
            text(
                "SELECT count(*) FROM run_steps "
                "WHERE lineage_id NOT IN (SELECT id FROM session_tasks)"
            )
        )
        expired = await db.scalar(
            select(func.count()).where(
                AuditEntry.action == "session.expired", AuditEntry.session_id == UUID(session_id)
            )
        )
    assert (steps, expired) == (0, 1)


async def _rows_by_table(runtime: Runtime, session_id: UUID) -> dict[str, int]:
    """How many rows of each table name the session."""
    counts: dict[str, int] = {}
    async with runtime.session_factory() as db:
        for table in Base.metadata.sorted_tables:
            if "session_id" in table.c:
                found = select(func.count()).where(table.c.session_id == session_id)
                counts[table.name] = await db.scalar(found) or 0
    return counts


async def test_audit_entries_are_deleted_after_ninety_days_to_the_minute(api: Api) -> None:
    border = timedelta(days=90)
    async with api.runtime.session_factory() as db:
        now = await database_time(db)
        ages = [border + MARGIN] * 5 + [border - MARGIN]
        db.add_all(AuditEntry(action="test.entry", at=now - age) for age in ages)
        await db.commit()

    summary = await _clean(api, "audit_logs")

    async with api.runtime.session_factory() as db:
        entries = select(func.count()).where(AuditEntry.action == "test.entry")
        assert await db.scalar(entries) == 1
    assert summary == {"deleted_audit_logs": 5}


async def test_tokens_are_deleted_thirty_days_after_they_end_to_the_minute(api: Api) -> None:
    border = timedelta(days=30)
    async with api.runtime.session_factory() as db:
        now = await database_time(db)
        owner = await db.scalar(select(User.id).where(User.name == "mia"))
        year = timedelta(days=365)
        ends = {
            "expired long ago": (now - border - MARGIN, None),
            "expired": (now - border + MARGIN, None),
            "revoked long ago": (now + year, now - border - MARGIN),
            "revoked": (now + year, now - border + MARGIN),
            "expired long ago, revoked later": (now - border - MARGIN, now),
            "good": (now + year, None),
        }
        await db.execute(
            insert(ApiToken),
            [
                {
                    "user_id": owner,
                    "name": name,
                    "token_hash": name.encode(),
                    "expires_at": expires,
                    "revoked_at": revoked,
                }
                for name, (expires, revoked) in ends.items()
            ],
        )
        await db.commit()

    summary = await _clean(api, "expired_tokens")

    async with api.runtime.session_factory() as db:
        left = set(await db.scalars(select(ApiToken.name).where(ApiToken.name.in_(ends))))
    assert left == {"expired", "revoked", "good"}
    assert summary == {"deleted_tokens": 3, "deleted_secrets": 0}


async def test_secrets_of_other_systems_are_deleted_thirty_days_after_they_expire(
    api: Api,
) -> None:
    border, vault = timedelta(days=30), api.runtime.vault("acme")
    async with api.runtime.unit_of_work() as work:
        now = await database_time(work.db)
        for number in range(3):
            await vault.keep(work.db, f"old {number}", "x", expires_at=now - border - MARGIN)
        await vault.keep(work.db, "recent", "x", expires_at=now - border + MARGIN)
        await vault.keep(work.db, "for ever", "x")

    summary = await _clean(api, "expired_tokens")

    async with api.runtime.session_factory() as db:
        left = {line.name for line in await secrets.list_secrets(db)}
    assert left == {"recent", "for ever"}
    assert summary == {"deleted_tokens": 0, "deleted_secrets": 3}
