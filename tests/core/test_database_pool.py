"""Connections that wait in the pool: none that is dead is handed out, none is asked needlessly."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen import database
from ticketgen.runtime import Runtime

pytestmark = pytest.mark.services


async def _used_connection(engine: AsyncEngine) -> int:
    """The process behind a connection that waits in the pool now."""
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def _ask_about(runtime: Runtime, question: str, pid: int) -> datetime | None:
    other = database.create_engine(runtime.settings)
    try:
        async with other.connect() as connection:
            found: datetime | None = await connection.scalar(text(question), {"pid": pid})
            return found
    finally:
        await other.dispose()


_LAST_ASKED = "SELECT state_change FROM pg_stat_activity WHERE pid = :pid"


async def test_a_connection_that_died_in_the_pool_is_replaced(runtime: Runtime) -> None:
    dead = await _used_connection(runtime.engine)
    await _ask_about(runtime, "SELECT now() FROM pg_terminate_backend(:pid)", dead)
    while await _ask_about(runtime, _LAST_ASKED, dead) is not None:  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.01)

    alive = await _used_connection(runtime.engine)

    assert alive != dead


@pytest.mark.parametrize(("rest", "is_asked"), [(3600.0, False), (0.0, True)])
async def test_only_a_connection_that_has_rested_is_asked_whether_it_lives(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, rest: float, is_asked: bool
) -> None:
    monkeypatch.setattr(database, "_IDLE_SECONDS", rest)
    pid = await _used_connection(runtime.engine)
    before = await _ask_about(runtime, _LAST_ASKED, pid)

    async with runtime.engine.connect():
        after = await _ask_about(runtime, _LAST_ASKED, pid)

    assert (after != before) == is_asked
