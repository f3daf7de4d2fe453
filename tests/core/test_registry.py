"""Plugins found, checked and frozen: what they bring together, and who may stop the host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.core.plugin_sources import plugin_source
from ticketgen.discovery import FoundPlugin, PluginStatus
from ticketgen.errors import NotFoundError
from ticketgen.provides import CsvType, Writer
from ticketgen.registry import PluginFailureError, Registry, load_registry, survey_registry
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin

BUILT_IN = ("adf_validation", "cleanup", "export", "processing")

Install = Callable[..., InstalledPlugin]


def _found(registry: Registry, name: str) -> FoundPlugin:
    (plugin,) = [plugin for plugin in registry.plugins if plugin.name == name]
    return plugin


def test_the_four_built_ins_bring_their_tasks_and_schedules() -> None:
    registry = load_registry(Settings())

    assert [plugin.name for plugin in registry.active] == list(BUILT_IN)
    assert list(registry.tasks) == [
        "adf_validation",
        "cleanup.expired_sessions",
        "cleanup.audit_logs",
        "cleanup.expired_tokens",
        "export",
        "processing",
        "processing.check",
        "processing.regenerate",
    ]
    assert {name: item.schedule.cron for name, item in registry.schedules.items()} == {
        "cleanup.expired_sessions": "0 8 * * *",
        "cleanup.audit_logs": "30 8 * * *",
        "cleanup.expired_tokens": "0 9 * * *",
    }


def test_a_stranger_brings_what_a_built_in_brings(
    install_plugin: Install, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("TICKETGEN_ACME_SIZE", "12")
    install_plugin(
        "acme",
        plugin_source(
            before="""
            from pydantic_settings import BaseSettings
            from ticketgen.provides import HealthCheck, plain_writer

            class AcmeSettings(BaseSettings):
                size: int = 1

            async def check(context):
                return None
            """,
            tasks="(task('acme'), task('acme.twice'))",
            schedules="(Schedule(name='nightly', task='acme', cron='0 1 * * *'),)",
            settings="AcmeSettings",
            provides="""(
                plain_writer(name='short', summary='Short words.', write=prepare),
                HealthCheck(name='ink', check=check),
                plain_writer(name='long', summary='Long words.', write=prepare),
            )""",
        ),
    )

    registry = load_registry(Settings())

    assert registry.task("acme.twice").plugin.name == "acme"
    assert registry.schedules["acme.nightly"].schedule.task == "acme"
    assert registry.settings["acme"].model_dump() == {"size": 12}
    assert registry.task("acme").settings is registry.settings["acme"]
    writers = [writer.name for writer in registry.provided(Writer)]
    assert writers[:3] == ["short", "long", "template"]


def test_what_plugins_provide_is_found_by_type() -> None:
    registry = load_registry(Settings())

    types = registry.provided(CsvType)

    assert {"bundles", "fields", "views"} <= {item.name for item in types}
    assert registry.provided(frozenset) == ()


def test_an_unknown_task_is_refused_with_those_that_are_known() -> None:
    registry = load_registry(Settings())

    with pytest.raises(NotFoundError) as refusal:
        registry.task("acme")

    assert "'acme'" in refusal.value.message
    assert "processing" in refusal.value.recovery_actions[0]


@pytest.mark.parametrize("part", ["tasks", "schedules", "settings"])
def test_the_registry_is_read_only(part: str) -> None:
    registry = load_registry(Settings())

    with pytest.raises(TypeError):
        getattr(registry, part)["acme"] = None


SETTINGS_SOURCE = """
from pydantic_settings import BaseSettings

class AcmeSettings(BaseSettings):
    size: int = 1
    colours: list[str] = []
"""


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TICKETGEN_ACME_SIZE", "large", "TICKETGEN_ACME_SIZE: Input should be a valid integer"),
        ("TICKETGEN_ACME_COLOURS", "red", "colours"),
    ],
)
def test_invalid_settings_disable_their_plugin_only(
    install_plugin: Install,
    clean_environment: pytest.MonkeyPatch,
    variable: str,
    value: str,
    said: str,
) -> None:
    clean_environment.setenv(variable, value)
    install_plugin(
        "acme",
        plugin_source(before=SETTINGS_SOURCE, settings="AcmeSettings", tasks="(task('acme'),)"),
    )

    registry = load_registry(Settings())

    (problem,) = _found(registry, "acme").problems
    assert problem.phase == "settings"
    assert said in problem.message
    assert "TICKETGEN_ACME_" in problem.message + problem.remedy
    assert "acme" not in registry.tasks
    assert "acme" not in registry.settings
    assert [plugin.name for plugin in registry.active] == list(BUILT_IN)


def test_two_plugins_with_one_job_name_are_both_refused(install_plugin: Install) -> None:
    for name in ("acme", "apex"):
        install_plugin(name, plugin_source(name, tasks=f"(task({name!r}, job_name='label_job'),)"))

    registry = load_registry(Settings())

    for name in ("acme", "apex"):
        refused = _found(registry, name)
        (problem,) = refused.problems
        assert refused.status is PluginStatus.FAILED
        assert problem.phase == "combine"
        assert "'label_job' is claimed by acme and apex" in problem.message
    assert [plugin.name for plugin in registry.active] == list(BUILT_IN)


WITH_A_TABLE = """
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, Table

from ticketgen import Migrations

metadata = MetaData()
Table("{table}", metadata, Column("id", Integer, primary_key=True))
"""


@pytest.mark.parametrize(
    ("required", "refused"),
    [((), "acme"), (("acme",), "acme_labels"), (("acme", "acme_labels"), "acme")],
    ids=["strangers", "the one that has it is required", "both are"],
)
def test_a_table_among_another_plugins_names_is_refused(
    install_plugin: Install, required: tuple[str, ...], refused: str
) -> None:
    for name, table in {"acme": "acme_labels_x", "acme_labels": "acme_labels"}.items():
        source = plugin_source(
            name,
            before=WITH_A_TABLE.format(table=table),
            migrations="Migrations(versions=Path(__file__).parent, metadata=metadata)",
        )
        install_plugin(name, source)
    install_plugin("acme_labels_x", plugin_source("acme_labels_x"))

    registry = survey_registry(Settings(required_plugins=required))

    (problem,) = _found(registry, refused).problems
    well = {"acme", "acme_labels", "acme_labels_x"} - {refused}
    assert problem.phase == "combine"
    assert "table 'acme_labels_x' of acme is among the names of acme_labels" in problem.message
    assert "Uninstall acme or acme_labels" in problem.remedy
    assert well <= {plugin.name for plugin in registry.active}


def test_a_broken_stranger_leaves_the_built_ins_active(install_plugin: Install) -> None:
    install_plugin("acme", "raise RuntimeError('broken')")

    registry = load_registry(Settings())

    assert [plugin.name for plugin in registry.active] == list(BUILT_IN)
    assert _found(registry, "acme").status is PluginStatus.FAILED


def test_a_broken_plugin_that_is_required_stops_the_host(install_plugin: Install) -> None:
    install_plugin("acme", "raise RuntimeError('broken')", version="3.1")

    with pytest.raises(PluginFailureError) as failure:
        load_registry(Settings(required_plugins=("acme",)))

    assert "acme (ticketgen-acme 3.1), import: RuntimeError: broken" in failure.value.message
    assert any("TICKETGEN_REQUIRED_PLUGINS" in step for step in failure.value.recovery_actions)


@pytest.mark.parametrize(
    "source",
    ["raise RuntimeError('broken')", plugin_source(requires="'>=2'")],
    ids=["broken", "old"],
)
def test_a_strict_host_accepts_no_broken_plugin(install_plugin: Install, source: str) -> None:
    install_plugin("acme", source)

    with pytest.raises(PluginFailureError, match="acme"):
        load_registry(Settings(strict_plugins=True))


def test_a_strict_host_accepts_a_blocked_plugin(install_plugin: Install) -> None:
    install_plugin("acme", "raise RuntimeError('broken')")

    registry = load_registry(Settings(strict_plugins=True, blocked_plugins=("acme",)))

    assert _found(registry, "acme").status is PluginStatus.DISABLED


def test_a_required_plugin_that_is_not_installed_is_not_missed() -> None:
    registry = load_registry(Settings(required_plugins=("acme",)))

    assert [plugin.name for plugin in registry.active] == list(BUILT_IN)


def test_a_host_without_plugins_is_a_host() -> None:
    registry = load_registry(Settings(), entries=())

    assert registry.plugins == ()
    assert dict(registry.tasks) == {}


def test_the_hooks_of_a_failed_plugin_are_not_called(install_plugin: Install) -> None:
    gate = "@hookimpl\nasync def ticketgen_export_blockers(session):\n    return []"
    install_plugin("acme", plugin_source(more=gate))
    install_plugin("apex", plugin_source("apex", more=gate, requires="'>=2'"))

    registry = load_registry(Settings())

    implementers = registry.hooks.implementers("ticketgen_export_blockers")
    assert implementers == ["acme", "adf_validation"]


def test_a_plugin_refused_beside_another_leaves_no_settings(install_plugin: Install) -> None:
    fields = {"settings": "AcmeSettings", "before": SETTINGS_SOURCE}
    for name in ("acme", "apex"):
        tasks = f"(task({name!r}, job_name='label_job'),)"
        install_plugin(name, plugin_source(name, tasks=tasks, **fields))

    registry = load_registry(Settings())

    assert list(registry.settings) == ["cleanup", "export", "processing"]


def test_a_stranger_that_takes_a_name_of_a_required_plugin_gives_way(
    install_plugin: Install,
) -> None:
    target = "ExportTarget(name='file', summary='Mine.', send=prepare, complete=complete)"
    install_plugin(
        "acme",
        plugin_source(
            "acme",
            tasks="(task('acme', job_name='export_session_job'),)",
            provides=f"({target},)",
            before="""
            from ticketgen.provides import ExportTarget

            async def complete(tickets, sent, sending):
                return ()
            """,
        ),
    )

    registry = load_registry(Settings())

    refused = _found(registry, "acme")
    assert refused.status is PluginStatus.FAILED
    assert [problem.phase for problem in refused.problems] == ["combine", "combine"]
    assert _found(registry, "export").status is PluginStatus.ACTIVE
