from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from tests.core.plugin_sources import plugin_source
from ticketgen.cli.main import app
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin

pytestmark = pytest.mark.services

SOURCE = plugin_source(
    "acme",
    tasks="(task('acme'),)",
    settings="AcmeSettings",
    provides="(Commands(app=app),)",
    before="""
    import typer
    from pydantic_settings import BaseSettings
    from sqlalchemy import text
    from ticketgen.commands import on_host, out
    from ticketgen.errors import ConflictError
    from ticketgen.provides import Commands

    class AcmeSettings(BaseSettings):
        bell: str = "Gloriosa"

    app = typer.Typer()

    @app.command()
    def ring():
        async def work(host):
            async with host.unit_of_work() as work:
                started = await work.start("acme")
                three = (await work.db.execute(text("SELECT 3"))).scalar_one()
            return f"{host.role} {host.settings.bell} {three} {started.existing}"
        out.print(on_host("acme", work))

    @app.command()
    def refuse():
        async def work(host):
            raise ConflictError("The tower is locked.", recovery_actions=["Fetch the key."])
        on_host("acme", work)

    @app.command()
    def stranger():
        on_host("violin", None)
    """,
)


@pytest.fixture
def on_system(
    settings: Settings,
    clean_environment: pytest.MonkeyPatch,
    install_plugin: Callable[..., InstalledPlugin],
) -> pytest.MonkeyPatch:
    """A system that the settings of the environment lead to, with the plugin on it."""
    install_plugin("acme", SOURCE)
    clean_environment.setenv("TICKETGEN_DATABASE_URL", str(settings.database_url))
    clean_environment.setenv("TICKETGEN_REDIS_URL", str(settings.redis_url))
    return clean_environment


async def _done(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["acme", *arguments])


async def test_a_command_works_on_the_host_as_its_plugin(on_system: pytest.MonkeyPatch) -> None:
    on_system.setenv("TICKETGEN_ACME_BELL", "Maria")

    first, second = await _done("ring"), await _done("ring")

    assert first.stdout == "command Maria 3 False\n", first.output
    assert second.stdout == "command Maria 3 True\n", "what the first has started is there"


async def test_an_expected_error_is_said_with_what_to_do(on_system: pytest.MonkeyPatch) -> None:
    result = await _done("refuse")

    assert result.exit_code == 1
    assert result.stderr == "Error: The tower is locked.\n  → Fetch the key.\n"


async def test_a_plugin_that_is_not_in_use_has_no_host(on_system: pytest.MonkeyPatch) -> None:
    result = await _done("stranger")

    assert result.exit_code == 1
    assert "The plugin 'violin' is not in use." in result.stderr


async def test_without_servers_the_command_says_how_to_get_them(
    on_system: pytest.MonkeyPatch, settings: Settings
) -> None:
    on_system.delenv("TICKETGEN_DATABASE_URL")
    on_system.setenv("TICKETGEN_DATA_DIR", str(settings.data_dir / "nothing"))

    result = await _done("ring")

    assert result.exit_code == 1
    assert "Start `ticketgen up` in another terminal" in result.stderr
