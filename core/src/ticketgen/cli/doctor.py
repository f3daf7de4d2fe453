"""`ticketgen doctor`: what is reachable, what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.attached import attached_settings
from ticketgen.cli.db_reports import found_line
from ticketgen.console import out, run
from ticketgen.database import create_engine, create_session_factory
from ticketgen.domain import secrets, workers
from ticketgen.embedded import attach
from ticketgen.errors import TicketgenError
from ticketgen.migrations import (
    CORE,
    installed_trees,
    require_current_schema,
    survey_schemas,
)
from ticketgen.queue import RunQueue
from ticketgen.registry import load_registry
from ticketgen.sealing import KeyRing
from ticketgen.settings import Settings, load_settings

__all__ = ["doctor"]

Report = tuple[str, bool, str]
"""What was looked at, whether it is well, and what was found."""


def doctor() -> None:
    """Look at settings, servers, schema, plugins, workers and API; 1 if something is wrong."""

    async def work() -> bool:
        table = Table("What", "State", "Found", show_lines=False)
        well = True
        async for name, ok, found in _examine():
            well = well and ok
            state = "[green]ok[/green]" if ok else "[red]wrong[/red]"
            table.add_row(name, state, escape(found))
        out.print(table)
        return well

    if not run(work()):
        raise typer.Exit(1)


async def _examine() -> AsyncIterator[Report]:
    try:
        settings = load_settings()
    except TicketgenError as error:
        yield "settings", False, _said(error)
        return
    yield "settings", True, "valid"
    for report in _plugins(settings):
        yield report
    endpoint = attach(settings.data_dir)
    running = f"running as process {endpoint.owner.pid}" if endpoint else "not running"
    yield "ticketgen up", True, f"{running} ({settings.data_dir})"
    try:
        settings = attached_settings()
    except TicketgenError as error:
        yield "servers", False, _said(error)
        return
    async for report in _servers(settings):
        yield report
    if endpoint is not None and "api_url" in endpoint.extra:
        yield await _api(str(endpoint.extra["api_url"]))


def _plugins(settings: Settings) -> list[Report]:
    try:
        registry = load_registry(settings)
    except TicketgenError as error:
        return [("plugins", False, _said(error))]
    reports: list[Report] = []
    for plugin in registry.plugins:
        ok = not plugin.status.is_broken
        problems = "; ".join(f"{item.message} → {item.remedy}" for item in plugin.problems)
        found = f"{plugin.distribution} {plugin.version}, {plugin.status}"
        reports.append((f"plugin {plugin.name}", ok, f"{found}: {problems}" if problems else found))
    missing = sorted(
        set(settings.required_plugins) - {name.removeprefix("plugin ") for name, _, _ in reports}
    )
    return [*reports, *((f"plugin {name}", True, "not installed") for name in missing)]


async def _servers(settings: Settings) -> AsyncIterator[Report]:
    queue = RunQueue(settings)
    try:
        await queue.ping()
        yield "redis", True, "answers"
    except TicketgenError as error:
        yield "redis", False, f"{error.message} → check TICKETGEN_REDIS_URL"
    finally:
        await queue.close()
    engine = create_engine(settings, application_name="ticketgen-doctor")
    try:
        async for report in _database(settings, engine):
            yield report
    finally:
        await engine.dispose()


async def _database(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Report]:
    try:
        async with engine.connect() as connection:
            version = (await connection.execute(text("SHOW server_version"))).scalar_one()
        yield "database", True, f"Postgres {version}"
        await require_current_schema(engine)
        yield "schema", True, "as this version needs it"
        for report in await _plugin_tables(settings, engine):
            yield report
    except TicketgenError as error:
        yield "schema", False, _said(error)
        return
    except Exception as error:
        yield "database", False, f"{type(error).__name__}: {error} → check TICKETGEN_DATABASE_URL"
        return
    async with create_session_factory(engine)() as db:
        live = await workers.list_live_workers(db, expiry=settings.heartbeat_expiry)
        sealed = await secrets.count_by_key(db)
    yield _secrets(settings, sealed)
    if not live:
        yield "workers", False, "none lives → start `ticketgen-worker`"
    for worker in live:
        found = f"{worker.running} of {worker.max_jobs} runs, seen {worker.last_seen_at:%H:%M:%S}"
        yield f"worker {worker.host}:{worker.pid}", True, found


def _secrets(settings: Settings, sealed: dict[str, int]) -> Report:
    keys = KeyRing(tuple(key.get_secret_value() for key in settings.secret_keys))
    unopened = sum(n for key_id, n in sealed.items() if key_id not in keys.key_ids)
    total = sum(sealed.values())
    if unopened:
        return (
            "secrets",
            False,
            f"no key opens {unopened} of {total} → see `ticketgen secrets status`",
        )
    if not keys:
        return "secrets", True, "no key, none kept (`ticketgen secrets new-key`)"
    return "secrets", True, f"{len(keys.keys)} keys, {total} kept"


async def _plugin_tables(settings: Settings, engine: AsyncEngine) -> list[Report]:
    installed = installed_trees(settings)
    unread = {found.name: found for found in installed.unread}
    return [
        (
            f"tables of {state.owner}",
            state.problem is None,
            found_line(state, unread.get(state.owner)),
        )
        for state in await survey_schemas(engine, installed.trees)
        if state.owner != CORE
    ]


async def _api(url: str) -> Report:
    try:
        async with httpx2.AsyncClient(timeout=5) as client:
            answer = await client.get(f"{url}/health/live")
    except httpx2.HTTPError as error:
        return "api", False, f"{url} does not answer ({error}) → see its log"
    return "api", answer.is_success, f"{url} answers {answer.status_code}"


def _said(error: TicketgenError) -> str:
    return " → ".join([error.message, *error.recovery_actions])
