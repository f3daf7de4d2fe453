"""A plugin reaches its vault from handlers, routes, lifespans and a host in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.core import lab
from ticketgen import BlockingContext, Plugin, TaskContext, Vault, in_thread
from ticketgen.api.app import create_app
from ticketgen.domain import tokens, users
from ticketgen.domain.task_runs import RunState
from ticketgen.opening import open_plugins
from ticketgen.ports import Role
from ticketgen.runtime import open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin, MemoryHost, NeedsDatabaseError, run_to_end

pytestmark = pytest.mark.services

_SOURCE = '''
from __future__ import annotations

from contextlib import asynccontextmanager

from fastapi import APIRouter

from ticketgen import Plugin, hookimpl
from ticketgen.api.deps import Vault, Work

router = APIRouter()


@router.put("/token/{value}")
async def keep(value: str, work: Work, vault: Vault) -> str:
    """Keep it."""
    await vault.keep(work.db, "token", value)
    return vault.plugin


@router.get("/token")
async def read(work: Work, vault: Vault) -> str:
    """Read it."""
    return await vault.read(work.db, "token")


@asynccontextmanager
async def lifespan(host):
    yield host.vault


@hookimpl
def ticketgen_plugin() -> Plugin:
    return Plugin(
        name="acme", summary="Keeps.", requires=">=1.1,<2", router=router, lifespan=lifespan
    )
'''


async def _remember(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
    async with ctx.transaction() as db:
        await ctx.vault.keep(db, "token", payload.note)
    async with ctx.transaction() as db:
        return {"same": await ctx.vault.read(db, "token") == payload.note}


def _remember_blocking(ctx: BlockingContext, payload: lab.Note) -> dict[str, Any]:
    async def kept(vault: Vault) -> str:
        return vault.plugin

    return {"plugin": ctx.wait_for(kept(ctx.vault))}


async def test_a_handler_keeps_and_reads_secrets_of_its_plugin(settings: Settings) -> None:
    tasks = (
        lab.task(handler=_remember),
        lab.task("lab.thread", in_thread(_remember_blocking)),
    )
    async with lab.open_lab(settings, *tasks) as runtime:
        run = await lab.start(runtime, request=lab.Note(note="s3cret"))
        blocking = await lab.start(runtime, "lab.thread")

        ended = [await run_to_end(runtime, one.id) for one in (run, blocking)]

    assert [one.state for one in ended] == [RunState.COMPLETED] * 2
    assert [one.result_summary for one in ended] == [{"same": True}, {"plugin": "lab"}]


async def test_a_host_in_memory_has_a_vault_in_the_database_it_is_given(
    settings: Settings,
) -> None:
    plugin = Plugin(name="lab", summary="Keeps.", tasks=(lab.task(handler=_remember),))
    async with open_runtime(settings) as runtime:
        host = MemoryHost(plugin, database=runtime.session_factory)

        outcome = await host.run("lab", request={"note": "s3cret"})

        async with runtime.session_factory() as db:
            assert await host.vault.read(db, "token") == "s3cret"
    assert outcome.completed() == {"same": True}


async def test_a_host_in_memory_without_a_database_keeps_nothing() -> None:
    plugin = Plugin(name="lab", summary="Keeps.", tasks=(lab.task(handler=_remember),))

    with pytest.raises(NeedsDatabaseError):
        await MemoryHost(plugin).run("lab", request={"note": "s3cret"})


@pytest.fixture
def with_acme(settings: Settings, install_plugin: Callable[..., InstalledPlugin]) -> Settings:
    install_plugin("acme", _SOURCE)
    return settings


async def test_a_route_and_a_lifespan_get_the_vault_of_their_plugin(with_acme: Settings) -> None:
    async with open_runtime(with_acme) as runtime, open_plugins(runtime, Role.API):
        transport = httpx2.ASGITransport(app=create_app(runtime))
        async with runtime.unit_of_work() as work:
            user = await users.create_user(work.db, name="vera", role=users.Role.MEMBER)
            _, token = await tokens.create_token(
                work.db, user=user, name="test", lifetime=timedelta(hours=1)
            )
        async with httpx2.AsyncClient(
            transport=transport,
            base_url="http://testserver",
            headers={"Authorization": f"Bearer {token}"},
        ) as client:
            kept = await client.put("/api/acme/token/s3cret")
            read = await client.get("/api/acme/token")

        assert (kept.json(), read.json()) == ("acme", "s3cret")
        assert runtime.states["acme"] == runtime.host("acme", Role.API).vault
