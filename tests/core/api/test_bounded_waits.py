from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.core import lab
from tests.core.api.expecting import refused
from ticketgen.diagnosis import diagnose
from ticketgen.embedded import EmbeddedServers
from ticketgen.errors import TemporaryError
from ticketgen.migrations import upgrade_schema
from ticketgen.settings import Settings
from ticketgen.testing import Api

pytestmark = pytest.mark.services

_TIMEOUT = timedelta(seconds=1)
_BOUND_SECONDS = 60.0
"""Who waits for a frozen server without a limit of his own waits for ever."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "database_timeout": _TIMEOUT,
            "database_pool_size": 4,
            "reconcile_interval": timedelta(hours=1),
        }
    )


@asynccontextmanager
async def _frozen(api: Api, servers: EmbeddedServers, *, whole: bool) -> AsyncIterator[None]:
    """Postgres with its processes stopped: connections stand, and nobody answers."""
    async with api.runtime.engine.connect() as connection:
        clients = "" if whole else "WHERE datname = current_database()"
        found = await connection.execute(text(f"SELECT pid FROM pg_stat_activity {clients}"))
        pids = [row.pid for row in found]
    pids = [servers.pids["postgres"], *pids] if whole else pids
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def _answers(api: Api) -> bool:
    """Whether the API finds its database; a slow machine may need more than one question."""
    return (await api.client.get("/api/sessions")).status_code == 200


@pytest.mark.parametrize("whole", [False, True], ids=["its sessions", "the whole server"])
async def test_a_frozen_postgres_holds_no_request_for_long_and_is_used_again_when_it_thaws(
    api: Api, servers: EmbeddedServers, whole: bool
) -> None:
    await lab.until(lambda: _answers(api))

    async with _frozen(api, servers, whole=whole):
        async with asyncio.timeout(_BOUND_SECONDS):
            answers = await asyncio.gather(
                api.client.get("/api/sessions"), api.client.get("/health/ready")
            )
        alive = await api.client.get("/health/live")
    await lab.until(lambda: _answers(api))

    if whole:
        listed, ready = answers
        assert refused(listed, 503, "database_unavailable")["category"] == "temporary"
        assert ready.status_code == 503
    else:  # a new connection may have been made and answered
        assert {answer.status_code for answer in answers} <= {200, 503}
    assert alive.status_code == 200


async def test_a_statement_that_nobody_answers_is_a_lost_connection_and_passes_by_itself(
    api: Api, servers: EmbeddedServers
) -> None:
    async with api.runtime.session_factory() as db:
        await db.execute(text("SELECT 1"))
        async with _frozen(api, servers, whole=False):
            async with asyncio.timeout(_BOUND_SECONDS):
                with pytest.raises(Exception, match="did not answer in time") as raised:
                    await db.execute(text("SELECT 1"))
                await db.rollback()

    assert isinstance(diagnose(raised.value), TemporaryError)


async def test_with_every_connection_in_use_a_request_says_so_and_waits_no_longer_than_it_may(
    api: Api,
) -> None:
    pool: Any = api.runtime.engine.pool
    while pool.checkedout():  # noqa: ASYNC110 - the reconciler's first look has no event
        await asyncio.sleep(0.01)
    async with AsyncExitStack() as stack:
        for _ in range(4):
            _ = await stack.enter_async_context(api.runtime.engine.connect())
        async with asyncio.timeout(_BOUND_SECONDS):
            answer = await api.client.get("/api/sessions")

    problem = refused(answer, 503, "database_unavailable")
    assert "in use" in problem["message"]
    assert any("TICKETGEN_DATABASE_POOL_SIZE" in step for step in problem["recovery_actions"])
    await lab.until(lambda: _answers(api))


async def test_a_migration_is_not_held_to_the_limit_of_a_statement(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(connection: object) -> None:
        connection.execute(text("SELECT pg_sleep(2.5)"))  # type: ignore[attr-defined]

    monkeypatch.setattr("ticketgen.migrations.upgrading._upgrade_core", slow)

    before, after = await upgrade_schema(api.runtime.engine)

    assert before == after
