"""One test for every way to break a plugin: the host is up and says which, why, what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.core.plugin_sources import plugin_source
from tests.core.plugins_broken.sources import BROKEN, METRIC, PROVIDES, ROUTERS, TABLES, Broken
from ticketgen.discovery import FoundPlugin, PluginStatus
from ticketgen.registry import (
    PluginFailureError,
    PluginUnavailableError,
    Registry,
    load_registry,
    survey_registry,
)
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin

Install = Callable[..., InstalledPlugin]

BUILT_IN = ["adf_validation", "cleanup", "export", "processing"]


def _found(registry: Registry, name: str = "acme") -> FoundPlugin:
    (plugin,) = [plugin for plugin in registry.plugins if plugin.name == name]
    return plugin


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_plugin_is_out_of_use_with_phase_reason_and_remedy(
    install_plugin: Install, clean_environment: pytest.MonkeyPatch, broken: Broken
) -> None:
    for variable, value in broken.environment.items():
        clean_environment.setenv(variable, value)
    install_plugin("acme", broken.source, version="2.5")

    registry = load_registry(Settings())

    acme = _found(registry)
    (problem,) = acme.problems
    assert (acme.status, problem.phase) == (broken.status, broken.phase)
    assert broken.said in problem.message
    assert problem.remedy
    assert (acme.distribution, acme.version) == ("ticketgen-acme", "2.5")
    assert [plugin.name for plugin in registry.active] == BUILT_IN
    assert "acme" not in registry.served
    with pytest.raises(PluginUnavailableError, match="acme"):
        registry.task("acme")


WELL = {
    "nothing": {},
    "routes in routers in routers": {
        "before": ROUTERS,
        "router": "holding('include_router', router('/x', '/y/{rest:path}'), prefix='/z')",
        "public_router": "router('')",
    },
    "routes of one path and two methods": {
        "before": ROUTERS,
        "router": "holding('add_api_route', '/x', answer, operation_id='acme_show')",
        "public_router": "holding('add_api_route', '/x', answer, methods=['POST'])",
    },
    "values of several kinds": {
        "before": PROVIDES,
        "provides": f"({METRIC}, HealthCheck(name='ink', check=read), "
        "HealthCheck(name='paper', check=read), "
        "AdfCheck(name='links', summary='Links.', check=look))",
    },
    "tables and keys that let go": {
        "before": TABLES,
        "migrations": "tables('acme', 'acme_labels', key=lambda: Column('session_id', "
        "ForeignKey(WorkSession.id, ondelete='CASCADE')))",
    },
    "a lifespan": {
        "before": "from contextlib import asynccontextmanager\n"
        "@asynccontextmanager\nasync def lifespan(host):\n    yield 1",
        "lifespan": "lifespan",
    },
}


@pytest.mark.parametrize("fields", WELL.values(), ids=list(WELL))
def test_a_plugin_that_keeps_the_contract_is_in_use(
    install_plugin: Install, fields: dict[str, str]
) -> None:
    install_plugin("acme", plugin_source(**fields))

    acme = _found(load_registry(Settings()))

    assert acme.problems == ()
    assert acme.status is PluginStatus.ACTIVE


def test_what_is_local_to_a_plugin_may_be_named_alike(install_plugin: Install) -> None:
    provides = "(HealthCheck(name='ink', check=read), Commands(app=Typer()))"
    for name in ("acme", "apex"):
        before = f"{PROVIDES}\nfrom typer import Typer"
        install_plugin(name, plugin_source(name, before=before, provides=provides))

    registry = load_registry(Settings())

    assert [_found(registry, name).problems for name in ("acme", "apex")] == [(), ()]


def test_a_table_may_not_be_two_plugins_even_where_both_may_name_it(
    install_plugin: Install,
) -> None:
    install_plugin("acme", plugin_source(before=TABLES, migrations="tables('acme_labels_schema')"))
    labels = plugin_source("acme_labels", before=TABLES, migrations="tables('acme_labels')")
    install_plugin("acme_labels", labels)

    registry = load_registry(Settings())

    for name in ("acme", "acme_labels"):
        problem, *_ = _found(registry, name).problems
        assert problem.phase == "combine"
        assert "table 'acme_labels_schema' is claimed by acme and acme_labels" in problem.message


def test_a_strict_host_stops_and_says_so_and_a_survey_never_does(install_plugin: Install) -> None:
    install_plugin("acme", "raise RuntimeError('broken')")
    strict = Settings(strict_plugins=True)

    with pytest.raises(PluginFailureError) as failure:
        load_registry(strict)
    surveyed = survey_registry(strict)

    assert "TICKETGEN_STRICT_PLUGINS is set: acme (ticketgen-acme 1.0)" in failure.value.message
    assert any("unset TICKETGEN_STRICT_PLUGINS" in step for step in failure.value.recovery_actions)
    assert _found(surveyed).status is PluginStatus.FAILED


def test_a_safe_host_imports_no_stranger(install_plugin: Install) -> None:
    install_plugin("acme", "raise AssertionError('imported')")

    registry = load_registry(Settings(safe_mode=True, strict_plugins=True))

    assert [plugin.name for plugin in registry.active] == BUILT_IN
    assert _found(registry).status is PluginStatus.DISABLED
