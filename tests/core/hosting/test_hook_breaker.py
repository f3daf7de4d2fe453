"""Hooks that fail again and again are not called for a while, and say why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from tests.core.hosting.sources import module_of
from tests.core.plugin_sources import plugin_source
from ticketgen import Severity
from ticketgen.database import create_engine, create_session_factory
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.registry import Registry, load_registry
from ticketgen.settings import Settings
from ticketgen.standing import HOOK_PAUSE
from ticketgen.testing import InstalledPlugin

pytestmark = pytest.mark.services

Install = Callable[..., InstalledPlugin]

SESSION = WorkSession(name="Harbour Museum")
TICKET = Ticket(title="Content type: Ship")

_GATE = """
import asyncio
import time

CALLS = []
ANSWER = None


@hookimpl
async def ticketgen_export_blockers(db, session):
    CALLS.append("gate")
    return await ANSWER(db)


@hookimpl
async def ticketgen_check_ticket(db, ticket):
    CALLS.append("check")
    return await ANSWER(db)
"""


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[AsyncSession]:
    engine = create_engine(settings)
    async with create_session_factory(engine)() as session:
        yield session
    await engine.dispose()


class _Acme:
    """An installed plugin whose hooks do what the test wants."""

    def __init__(self, registry: Registry, module: Any) -> None:
        self.registry, self.module = registry, module
        self.now = 100.0
        registry.standing.clock = lambda: self.now

    @property
    def calls(self) -> list[str]:
        calls: list[str] = self.module.CALLS
        return calls

    def answers(self, answer: Callable[[AsyncSession], Any]) -> None:
        self.module.ANSWER = answer

    async def asked(self, db: AsyncSession) -> list[str]:
        return [item.code for item in await self.registry.hooks.export_blockers(db, SESSION)]


@pytest.fixture
def acme(settings: Settings, install_plugin: Install) -> _Acme:
    return _hosted(settings, install_plugin)


def _hosted(settings: Settings, install: Install, **changes: Any) -> _Acme:
    installed = install("acme", plugin_source(more=_GATE))
    alone = settings.model_copy(update={"allowed_plugins": ("acme",)} | changes)
    registry = load_registry(alone)
    return _Acme(registry, module_of(installed))


async def _raise(db: AsyncSession) -> list[Any]:
    raise ValueError("no such label")


async def _end(db: AsyncSession) -> list[Any]:
    raise SystemExit(3)


async def _wait(db: AsyncSession) -> list[Any]:
    await asyncio.sleep(3600)
    return []


async def _block(db: AsyncSession) -> list[Any]:
    time.sleep(0.3)  # noqa: ASYNC251 - the fault that has to show
    return []


async def _agree(db: AsyncSession) -> list[Any]:
    return []


async def _misspell(db: AsyncSession) -> list[Any]:
    return ["not a blocker"]


@pytest.mark.parametrize(
    ("fault", "limit", "told"),
    [
        (_raise, 60, "ValueError: no such label"),
        (_end, 60, "SystemExit: 3"),
        (_misspell, 60, "has to return a list of Blocker"),
        (_wait, 0.2, "did not answer within 0.2 s"),
        (_block, 0.2, "blocked the event loop for"),
    ],
)
async def test_a_gate_that_fails_three_times_in_a_row_is_closed_without_being_asked(
    db: AsyncSession,
    acme: _Acme,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[AsyncSession], Any],
    limit: float,
    told: str,
) -> None:
    monkeypatch.setattr("ticketgen.hooks._LIMIT_SECONDS", limit)
    acme.answers(fault)

    for _ in range(3):
        await acme.asked(db)
    calls = len(acme.calls)
    [closed] = await acme.registry.hooks.export_blockers(db, SESSION)
    [unchecked] = await acme.registry.hooks.check_ticket(db, TICKET)

    problem = acme.registry.problem_of("acme")
    assert (calls, len(acme.calls)) == (3, 3)
    assert problem is not None
    assert problem.phase == "hook"
    assert told in problem.message
    assert closed.code == "gate_out_of_use"
    assert problem.reason in closed.message
    assert (unchecked.rule, unchecked.severity) == ("acme.check_failed", Severity.WARNING)
    assert problem.reason in unchecked.message


async def test_after_a_pause_it_is_asked_again_and_an_answer_puts_it_back_into_use(
    db: AsyncSession, acme: _Acme
) -> None:
    acme.answers(_raise)
    for _ in range(4):
        await acme.asked(db)
    acme.answers(_agree)

    acme.now += (HOOK_PAUSE + timedelta(seconds=1)).total_seconds()
    back = await acme.asked(db)
    acme.answers(_raise)
    failed = [await acme.asked(db) for _ in range(3)]

    assert back == []
    assert failed == [["gate_failed"]] * 3
    assert await acme.asked(db) == ["gate_out_of_use"]


async def test_a_plugin_the_host_must_not_run_without_is_asked_every_time(
    db: AsyncSession, settings: Settings, install_plugin: Install
) -> None:
    acme = _hosted(settings, install_plugin, required_plugins=("acme",))
    acme.answers(_raise)

    answers = [await acme.asked(db) for _ in range(5)]

    assert answers == [["gate_failed"]] * 5
    assert len(acme.calls) == 5
    assert acme.registry.standing.failing() == {"acme": 5}


async def test_a_database_that_is_away_is_no_fault_of_the_hook_and_a_slow_statement_is(
    db: AsyncSession, acme: _Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(db: AsyncSession) -> list[Any]:
        raise OperationalError("SELECT 1", None, ConnectionError(), connection_invalidated=True)

    async def linger(db: AsyncSession) -> list[Any]:
        await db.execute(text("SELECT pg_sleep(60)"))
        return []

    monkeypatch.setattr("ticketgen.hooks._STATEMENT_LIMIT_MS", 50)
    acme.answers(lose)
    for _ in range(3):
        await acme.asked(db)
    untroubled = acme.registry.problem_of("acme")

    acme.answers(linger)
    for _ in range(3):
        await acme.asked(db)

    assert untroubled is None
    assert acme.registry.problem_of("acme") is not None
