from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner, Result

from tests.core.plugin_migrations.sources import first, plugin_with_tables, second, tables_in
from ticketgen.cli.local import migrate
from ticketgen.cli.main import app
from ticketgen.database import create_session_factory
from ticketgen.domain.task_runs import NewRun, RunState, insert_run
from ticketgen.errors import TicketgenError
from ticketgen.settings import Settings
from ticketgen.testing import installed_plugin, upgrade_plugins

pytestmark = pytest.mark.services

Install = Callable[..., Any]


@pytest.fixture
def found_by_commands(settings: Settings, clean_environment: pytest.MonkeyPatch) -> Settings:
    """The settings that the commands find in their environment."""
    clean_environment.setenv("TICKETGEN_DATABASE_URL", str(settings.database_url))
    clean_environment.setenv("TICKETGEN_REDIS_URL", str(settings.redis_url))
    clean_environment.setenv("TICKETGEN_DATA_DIR", str(settings.data_dir))
    clean_environment.setenv("COLUMNS", "80")
    return settings


async def _done(*arguments: str, typed: str = "") -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["db", *arguments], input=typed)


def _refusal(done: Result) -> str:
    """What a command that was refused says: `main` prints what is raised."""
    assert done.exit_code == 1
    assert isinstance(done.exception, TicketgenError | SystemExit)
    if isinstance(done.exception, TicketgenError):
        return " ".join([done.exception.message, *done.exception.recovery_actions])
    return done.output


async def _state(engine: AsyncEngine, state: RunState) -> None:
    """The only run is in that state, or made so."""
    async with create_session_factory(engine)() as db:
        if not await db.scalar(text("SELECT count(*) FROM session_tasks")):
            _ = await insert_run(db, NewRun(task_type="amber", payload={}, exclusivity_key="a"))
        await db.execute(text("UPDATE session_tasks SET state = :state"), {"state": state})
        await db.commit()


async def test_upgrade_says_for_each_plugin_what_became_of_its_tables(
    install_plugin: Install,
    engine: AsyncEngine,
    found_by_commands: Settings,
    clean_environment: pytest.MonkeyPatch,
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    fails = second("birch", upgrade='raise RuntimeError("no colour")')
    install_plugin("birch", plugin_with_tables("birch"), files={**first("birch"), **fails})
    install_plugin("cedar", "import nothing_like_this")

    done = await _done("upgrade")
    only = await _done("upgrade", "--plugin", "amber")
    refused = _refusal(await _done("upgrade", "--plugin", "cedar"))
    unknown = _refusal(await _done("upgrade", "--plugin", "maple"))
    status = await _done("status")
    tolerated = await _done("upgrade", "--plugins-may-fail")
    clean_environment.setenv("TICKETGEN_REQUIRED_PLUGINS", "birch")
    needed = await _done("upgrade", "--plugins-may-fail")
    clean_environment.delenv("TICKETGEN_REQUIRED_PLUGINS")
    doctor = await asyncio.to_thread(CliRunner().invoke, app, ["doctor"])

    assert done.exit_code == 1
    assert (tolerated.exit_code, needed.exit_code) == (0, 1)
    assert "'birch' is out of use" in tolerated.stderr
    assert "core: was at" in done.stdout
    assert "amber: nothing → 0001" in done.stdout
    assert "birch: failed, still at nothing" in done.stdout
    assert "'birch' is out of use" in done.stderr
    assert "RuntimeError: no colour" in done.stderr
    assert "0002_colour.py" in done.stderr
    assert "'cedar' (ticketgen-cedar 1.0) is failed" in done.stderr
    assert (only.exit_code, "core" in only.stdout) == (0, False)
    assert "amber: was at 0001 already" in only.stdout
    assert "nothing_like_this" in refused
    assert "'maple'" in unknown
    assert status.exit_code == 1
    assert "amber: at 0001, as needed" in status.stdout
    assert "birch' are not there yet; this version needs 0002" in status.stdout
    assert await tables_in(engine, beginning="birch") == []
    assert "tables of amber" in doctor.stdout
    assert "tables of birch" in doctor.stdout


async def test_what_starts_everything_goes_on_without_a_plugin_whose_tables_fail(
    install_plugin: Install,
    engine: AsyncEngine,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fails = second("amber", upgrade='raise RuntimeError("no colour")')
    install_plugin("amber", plugin_with_tables("amber"), files={**first("amber"), **fails})
    install_plugin("birch", plugin_with_tables("birch"), files=first("birch"))

    await migrate(settings)

    assert "'amber' is out of use" in capsys.readouterr().err
    assert await tables_in(engine, beginning="birch") == ["birch_labels", "birch_schema"]


async def test_status_keeps_count_of_tables_whose_plugin_is_gone_or_shut_out(
    found_by_commands: Settings, clean_environment: pytest.MonkeyPatch
) -> None:
    with (
        installed_plugin("amber", plugin_with_tables("amber"), files=first("amber")),
        installed_plugin("birch", plugin_with_tables("birch"), files=first("birch")),
    ):
        await upgrade_plugins(found_by_commands)

    clean_environment.setenv("TICKETGEN_BLOCKED_PLUGINS", "amber")
    with installed_plugin("amber", plugin_with_tables("amber"), files=first("amber")):
        status = await _done("status")

    assert status.exit_code == 0, status.output
    assert "amber: at 0001; the plugin is disabled, its tables are kept" in status.stdout
    assert "birch: at 0001; the plugin is not installed, its tables are kept" in status.stdout
    assert "birch_labels" in status.stdout


async def test_downgrade_names_what_will_be_lost_and_wants_the_name(
    install_plugin: Install,
    engine: AsyncEngine,
    found_by_commands: Settings,
    clean_environment: pytest.MonkeyPatch,
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    await upgrade_plugins(found_by_commands)
    clean_environment.setenv("TICKETGEN_BLOCKED_PLUGINS", "amber")
    await _state(engine, RunState.QUEUED)

    wrong = await _done("downgrade", "amber", typed="y\n")
    silent = await _done("downgrade", "amber")
    kept = await tables_in(engine, beginning="amber")
    done = await _done("downgrade", "amber", typed="amber\n")
    again = await _done("downgrade", "amber", "--yes")

    async with engine.connect() as connection:
        audited = await connection.execute(
            text("SELECT subject, details FROM audit_log WHERE action = 'plugin_tables.dropped'")
        )
        entries = [tuple(row) for row in audited]
    assert entries == [("amber", {"revision": "0001", "rows": {"amber_labels": 0}})]
    assert wrong.exit_code == 1
    assert "amber_labels: 0 rows" in wrong.stdout
    assert "runs of it wait: 1" in wrong.stderr
    assert silent.exit_code == 1
    assert kept == ["amber_labels", "amber_schema"]
    assert done.exit_code == 0, done.output
    assert "amber: 0001 → nothing" in done.stdout
    assert await tables_in(engine, beginning="amber") == []
    assert again.exit_code == 0
    assert "nothing to drop" in again.stdout


async def test_downgrade_is_refused_where_it_would_harm(
    install_plugin: Install,
    engine: AsyncEngine,
    found_by_commands: Settings,
    clean_environment: pytest.MonkeyPatch,
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    await upgrade_plugins(found_by_commands)
    await _state(engine, RunState.RUNNING)

    at_work = _refusal(await _done("downgrade", "amber", "--yes"))
    core = _refusal(await _done("downgrade", "core", "--yes"))
    clean_environment.setenv("TICKETGEN_REQUIRED_PLUGINS", "amber")
    required = _refusal(await _done("downgrade", "amber", "--yes"))

    assert "runs at work: 1" in at_work
    assert "never dropped" in core
    assert "is required" in required
    assert await tables_in(engine, beginning="amber") == ["amber_labels", "amber_schema"]


async def test_a_revision_is_written_for_the_author_and_its_path_is_said(
    install_plugin: Install, found_by_commands: Settings
) -> None:
    installed = install_plugin("amber", plugin_with_tables("amber"), files={"versions/.keep": ""})

    written = await _done("revision", "amber", "-m", "labels")
    upgraded = await _done("upgrade")
    nothing = await _done("revision", "amber", "-m", "labels")

    assert written.exit_code == 0, written.output
    assert f"{installed.directory}" in written.stdout
    assert "0001_labels.py" in written.stdout
    assert upgraded.exit_code == 0, upgraded.output
    assert "no revision is needed" in nothing.stdout
