"""What the commands say where plugins are broken; none of them is stopped by a stranger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from uuid_utils.compat import uuid7

from tests.core.plugin_migrations.sources import first, plugin_with_tables
from tests.core.plugin_sources import plugin_source
from tests.core.plugins_broken.sources import ROUTERS
from ticketgen.cli.local import process_environment
from ticketgen.cli.main import app
from ticketgen.cli.safe import safe_overrides
from ticketgen.cli.worker import app as worker_app
from ticketgen.domain import workers
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings, load_settings
from ticketgen.testing import InstalledPlugin

Install = Callable[..., InstalledPlugin]


@pytest.fixture
def nowhere(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without servers."""
    clean_environment.setenv("TICKETGEN_DATA_DIR", str(tmp_path))
    return clean_environment


def _done(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def _examined(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = _done("plugins", "doctor", "--json", *arguments)
    report: dict[str, Any] = json.loads(done.stdout)
    return done.exit_code, report


def test_the_doctor_finds_nothing_on_a_healthy_host(nowhere: pytest.MonkeyPatch) -> None:
    done = _done("plugins", "doctor")

    assert done.exit_code == 0
    assert "Nothing is broken." in done.stdout
    assert "Tables and live workers were not looked at: No servers" in done.stdout


def test_the_doctor_shows_all_of_a_required_plugin_that_is_broken(
    nowhere: pytest.MonkeyPatch, install_plugin: Install
) -> None:
    install_plugin("acme", "raise RuntimeError('no [ink]')", version="3.1")
    nowhere.setenv("TICKETGEN_REQUIRED_PLUGINS", "acme,export")
    nowhere.setenv("TICKETGEN_STRICT_PLUGINS", "true")

    done = _done("plugins", "doctor")
    code, report = _examined("acme")

    assert (done.exit_code, code) == (1, 1)
    for part in (
        "acme  ticketgen-acme 3.1  failed",
        "import: RuntimeError: no [ink]",
        "→ Reinstall ticketgen-acme, or uninstall it.",
        "Traceback (most recent call last):",
    ):
        assert part in done.stdout
    [acme] = report["plugins"]
    assert report["well"] is False
    assert acme["problems"][0]["traceback"].endswith("RuntimeError: no [ink]\n")


def test_the_doctor_looks_at_one_plugin_alone(
    nowhere: pytest.MonkeyPatch, install_plugin: Install
) -> None:
    install_plugin("acme", "raise RuntimeError('no ink')")

    well = _done("plugins", "doctor", "export")
    unknown = _done("plugins", "doctor", "absent")

    assert well.exit_code == 0
    assert "ticketgen-export" in well.stdout
    assert "acme" not in well.stdout
    assert unknown.exit_code == 1
    assert "No plugin 'absent' is installed." in unknown.stderr


def test_the_doctor_finds_what_only_an_api_would_meet(
    nowhere: pytest.MonkeyPatch, install_plugin: Install
) -> None:
    router = "holding('add_api_route', '/x', answer, operation_id='start_labels')"
    install_plugin("start", plugin_source("start", before=ROUTERS, router=router))
    install_plugin("labels", plugin_source("labels", tasks="(task('labels'),)"))

    code, report = _examined()

    broken = {view["name"]: view["problems"] for view in report["plugins"] if view["problems"]}
    assert code == 1
    assert [item["phase"] for item in broken.pop("start")] == ["mount"]
    assert broken == {}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["plugins", "--help"], ["plugins", "--safe"], ["users", "--help"]],
    ids=" ".join,
)
def test_a_command_that_needs_no_plugin_works_beside_any(
    nowhere: pytest.MonkeyPatch, install_plugin: Install, arguments: list[str]
) -> None:
    install_plugin("acme", "raise SystemExit(7)")
    install_plugin("apex", "raise RuntimeError", distribution="apex-one")
    install_plugin("apex", "raise RuntimeError", distribution="apex-two")
    install_plugin("../plugins", "raise RuntimeError", distribution="climber")

    done = _done(*arguments)

    assert done.exit_code == 0, done.output


def test_the_listing_says_what_is_broken_and_safe_leaves_it_out(
    nowhere: pytest.MonkeyPatch, install_plugin: Install
) -> None:
    install_plugin("acme", "raise SystemExit(7)")

    all_of_them = _done("plugins")
    safe = _done("plugins", "--safe")

    assert all_of_them.exit_code == 1
    assert "import: SystemExit: 7 → Reinstall ticketgen-acme" in all_of_them.stdout
    assert safe.exit_code == 0
    assert "acme  ticketgen-acme 1.0  disabled" in safe.stdout


def test_the_doctor_leaves_strangers_out_if_told_so_where_it_counts(
    nowhere: pytest.MonkeyPatch, install_plugin: Install
) -> None:
    install_plugin("acme", "raise SystemExit(7)")

    safe = _done("plugins", "doctor", "--safe")
    before = _done("plugins", "--safe", "doctor")

    assert safe.exit_code == 0
    assert "acme  ticketgen-acme 1.0  disabled" in safe.stdout
    assert before.exit_code == 2
    assert "--safe before 'doctor' would have no effect" in before.stderr


def test_every_command_that_starts_a_host_can_leave_strangers_out() -> None:
    commands = [(app, [name, "--help"]) for name in ("up", "api", "demo", "plugins")]

    offered = [
        CliRunner(env={"COLUMNS": "120"}).invoke(command, arguments).stdout
        for command, arguments in [*commands, (worker_app, ["--help"])]
    ]

    assert all("--safe" in text for text in offered)


def test_the_processes_of_a_safe_system_are_safe_too(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("TICKETGEN_SAFE_MODE", "false")

    environment = process_environment(load_settings(**safe_overrides(True)))

    for name, value in environment.items():
        clean_environment.setenv(name, value)
    assert load_settings().safe_mode is True


@pytest.mark.services
async def test_commands_on_a_database_work_and_the_doctor_hears_of_the_workers(
    runtime: Runtime, settings: Settings, nowhere: pytest.MonkeyPatch, install_plugin: Install
) -> None:
    install_plugin("acme", "raise RuntimeError('no ink')")
    nowhere.setenv("TICKETGEN_DATABASE_URL", str(settings.database_url))
    nowhere.setenv("TICKETGEN_REDIS_URL", str(settings.redis_url))
    async with runtime.session_factory() as db:
        await workers.say_alive(
            db,
            worker_id=uuid7(),
            host="worker-1",
            pid=17,
            version="1.2.3",
            task_types=["export"],
            plugins={"export": "0.1.0"},
            max_jobs=1,
            running=0,
            lag=0.0,
            failed={"acme": "import: RuntimeError", "export": "start: no paper"},
        )
        await db.commit()

    upgraded = await asyncio.to_thread(_done, "db", "upgrade")
    listed = await asyncio.to_thread(_done, "runs", "list")
    code, report = await asyncio.to_thread(_examined, "export")
    told = await asyncio.to_thread(_done, "plugins", "doctor")

    assert upgraded.exit_code == 0, upgraded.output
    assert listed.exit_code == 0, listed.output
    assert (code, report["well"], report["workers_unasked"]) == (1, False, None)
    assert report["workers"] == [
        {"plugin": "export", "reason": "start: no paper", "workers": ["worker-1:17"]}
    ]
    assert "export  in the worker worker-1:17" in told.stdout
    assert "when that worker is started again" in told.stdout


@pytest.mark.services
async def test_the_doctor_looks_at_the_tables_of_plugins(
    runtime: Runtime, settings: Settings, nowhere: pytest.MonkeyPatch, install_plugin: Install
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    nowhere.setenv("TICKETGEN_DATABASE_URL", str(settings.database_url))
    nowhere.setenv("TICKETGEN_REDIS_URL", str(settings.redis_url))

    code, report = await asyncio.to_thread(_examined, "amber")
    upgraded = await asyncio.to_thread(_done, "db", "upgrade")
    after, _ = await asyncio.to_thread(_examined, "amber")

    [problem] = report["plugins"][0]["problems"]
    assert (code, problem["phase"]) == (1, "schema")
    assert "The tables of plugin 'amber' are not there yet" in problem["message"]
    assert "ticketgen db upgrade" in problem["remedy"]
    assert upgraded.exit_code == 0, upgraded.output
    assert after == 0
