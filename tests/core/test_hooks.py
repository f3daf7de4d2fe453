"""Hooks of several plugins on a real database: in order, isolated, limited, each with its owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from tests.core.plugin_sources import plugin_source
from ticketgen import Blocker, Finding, Severity, hookimpl
from ticketgen.database import create_engine, create_session_factory
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.hooks import HookCaller
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen.testing import installed_plugin

pytestmark = pytest.mark.services

Gate = Callable[[AsyncSession, WorkSession], Awaitable[Any]]
Check = Callable[[AsyncSession, Ticket], Awaitable[Any]]

SESSION = WorkSession(name="Harbour Museum")
TICKET = Ticket(title="Content type: Ship")


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[AsyncSession]:
    engine = create_engine(settings)
    async with create_session_factory(engine)() as session:
        yield session
    await engine.dispose()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as entries:
        yield entries


def _gate(name: str, answer: Gate) -> ModuleType:
    @hookimpl
    async def ticketgen_export_blockers(db: AsyncSession, session: WorkSession) -> Any:
        return await answer(db, session)

    module = ModuleType(name)
    vars(module)["ticketgen_export_blockers"] = ticketgen_export_blockers
    return module


def _check(name: str, answer: Check) -> ModuleType:
    @hookimpl
    async def ticketgen_check_ticket(db: AsyncSession, ticket: Ticket) -> Any:
        return await answer(db, ticket)

    module = ModuleType(name)
    vars(module)["ticketgen_check_ticket"] = ticketgen_check_ticket
    return module


def _caller(*modules: ModuleType) -> HookCaller:
    return HookCaller({module.__name__: module for module in modules})


def _blocking(code: str) -> Gate:
    async def answer(db: AsyncSession, session: WorkSession) -> list[Blocker]:
        return [Blocker(code=code, message=f"{session.name} waits.")]

    return answer


def _finding(rule: str) -> Check:
    async def answer(db: AsyncSession, ticket: Ticket) -> list[Finding]:
        return [Finding(severity=Severity.ERROR, rule=rule, message=ticket.title, remedy="Edit.")]

    return answer


async def _raise(db: AsyncSession, subject: object) -> list[Any]:
    raise RuntimeError("broken")


async def _forget(db: AsyncSession, subject: object) -> None:
    return None


async def _say_text(db: AsyncSession, subject: object) -> list[str]:
    return ["not validated"]


async def _write_and_raise(db: AsyncSession, subject: object) -> list[Any]:
    await db.execute(text("INSERT INTO notes VALUES ('of the hook')"))
    raise RuntimeError("broken")


async def _break_the_statement(db: AsyncSession, subject: object) -> list[Any]:
    await db.execute(text("SELECT 1 / 0"))
    return []


async def _sleep(db: AsyncSession, subject: object) -> list[Any]:
    await db.execute(text("SELECT pg_sleep(5)"))
    return []


async def _limit(db: AsyncSession) -> str:
    value: str = (await db.execute(text("SHOW statement_timeout"))).scalar_one()
    return value


async def test_hooks_are_called_in_the_order_of_plugin_names(db: AsyncSession) -> None:
    hooks = _caller(
        _gate("zinc", _blocking("zinc.wait")),
        _gate("acme", _blocking("acme.wait")),
        _gate("mica", _blocking("mica.wait")),
    )

    blockers = await hooks.export_blockers(db, SESSION)

    assert [blocker.code for blocker in blockers] == ["acme.wait", "mica.wait", "zinc.wait"]
    assert hooks.implementers("ticketgen_export_blockers") == ["acme", "mica", "zinc"]
    assert blockers[0].message == "Harbour Museum waits."


@pytest.mark.parametrize("broken", [_raise, _forget, _say_text, _break_the_statement])
async def test_a_gate_that_fails_blocks_and_the_others_are_asked(
    db: AsyncSession, broken: Gate, logged: list[MutableMapping[str, Any]]
) -> None:
    hooks = _caller(
        _gate("acme", _blocking("acme.wait")),
        _gate("mica", broken),
        _gate("zinc", _blocking("zinc.wait")),
    )

    blockers = await hooks.export_blockers(db, SESSION)

    assert [blocker.code for blocker in blockers] == ["acme.wait", "gate_failed", "zinc.wait"]
    assert "mica" in blockers[1].message
    assert [(entry["event"], entry["plugin"], entry["hook"]) for entry in logged] == [
        ("hook_failed", "mica", "ticketgen_export_blockers")
    ]


@pytest.mark.parametrize("broken", [_raise, _forget, _say_text, _break_the_statement])
async def test_a_check_that_fails_becomes_a_warning_of_its_plugin(
    db: AsyncSession, broken: Check
) -> None:
    hooks = _caller(_check("acme", broken), _check("zinc", _finding("zinc.title")))

    findings = await hooks.check_ticket(db, TICKET)

    assert [(item.rule, item.severity) for item in findings] == [
        ("acme.check_failed", Severity.WARNING),
        ("zinc.title", Severity.ERROR),
    ]


async def test_what_a_failed_hook_wrote_is_undone_and_the_callers_work_is_kept(
    db: AsyncSession,
) -> None:
    await db.execute(text("CREATE TEMPORARY TABLE notes (body text)"))
    await db.execute(text("INSERT INTO notes VALUES ('of the caller')"))

    await _caller(_gate("acme", _write_and_raise)).export_blockers(db, SESSION)
    await db.execute(text("INSERT INTO notes VALUES ('of the caller, after')"))

    notes = (await db.execute(text("SELECT body FROM notes"))).scalars().all()
    assert list(notes) == ["of the caller", "of the caller, after"]


async def test_a_slow_statement_is_cut_and_the_callers_transaction_goes_on(
    db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.hooks._STATEMENT_LIMIT_MS", 100)
    await db.execute(text("SET LOCAL statement_timeout = '7s'"))
    before = (await db.execute(text("SELECT pg_current_xact_id()::text"))).scalar_one()
    hooks = _caller(_gate("acme", _sleep), _gate("zinc", _blocking("zinc.wait")))

    blockers = await hooks.export_blockers(db, SESSION)

    after = (await db.execute(text("SELECT pg_current_xact_id()::text"))).scalar_one()
    assert [blocker.code for blocker in blockers] == ["gate_failed", "zinc.wait"]
    assert before == after
    assert await _limit(db) == "7s"


async def test_a_hook_that_waits_for_something_else_is_cut_too(
    db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait(db: AsyncSession, session: WorkSession) -> list[Blocker]:
        await asyncio.sleep(1_000)
        return []

    monkeypatch.setattr("ticketgen.hooks._LIMIT_SECONDS", 0.05)

    blockers = await _caller(_gate("acme", wait)).export_blockers(db, SESSION)

    assert [blocker.code for blocker in blockers] == ["gate_failed"]
    assert (await db.execute(text("SELECT 1"))).scalar_one() == 1


async def test_a_hook_has_a_statement_limit_of_its_own(db: AsyncSession) -> None:
    seen: list[str] = []

    async def look(db: AsyncSession, session: WorkSession) -> list[Blocker]:
        seen.append(await _limit(db))
        await db.execute(text("SET LOCAL statement_timeout = 0"))
        return []

    before = await _limit(db)

    await _caller(_gate("acme", look), _gate("zinc", look)).export_blockers(db, SESSION)

    assert seen == ["3s", "3s"]
    assert await _limit(db) == before == "1min"


async def test_the_gate_of_an_installed_plugin_is_asked_beside_ours(
    db: AsyncSession, settings: Settings
) -> None:
    gate = """
    from ticketgen import Blocker

    @hookimpl
    async def ticketgen_export_blockers(session):
        return [Blocker(code="acme.wait", message=f"{session.name} waits.")]
    """

    with installed_plugin("acme", plugin_source(more=gate)):
        hooks = load_registry(settings).hooks
        blockers = await hooks.export_blockers(db, SESSION)

    assert [blocker.code for blocker in blockers] == ["acme.wait", "adf_validation.missing"]


async def test_where_nobody_asks_nothing_blocks(db: AsyncSession) -> None:
    hooks = _caller()

    assert await hooks.export_blockers(db, SESSION) == []
    assert await hooks.check_ticket(db, TICKET) == []
