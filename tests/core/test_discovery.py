"""Every way in which an installed plugin can be broken, and that none of them harms another."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.core.plugin_sources import plugin_source
from ticketgen.discovery import (
    FoundPlugin,
    PluginStatus,
    find_plugins,
    installed_entry_points,
    load_plugin,
)
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin, installed_plugin

BUILT_IN = {"adf_validation", "cleanup", "export", "processing"}

Install = Callable[..., InstalledPlugin]


def found(name: str, settings: Settings | None = None) -> FoundPlugin:
    """The one installed plugin of that name, loaded if it may be."""
    entries = [entry for entry in installed_entry_points() if entry.name == name]
    (plugin,) = find_plugins(entries, settings or Settings())
    return load_plugin(plugin) if plugin.status is PluginStatus.ACTIVE else plugin


def assert_host_stays_up() -> None:
    """Load everything that is installed, and see that the four plugins work."""
    registry = load_registry(Settings())
    assert {plugin.name for plugin in registry.active} >= BUILT_IN


def test_an_installed_plugin_is_found_and_active(install_plugin: Install) -> None:
    install_plugin("acme", plugin_source(), version="2.5")

    acme = found("acme")

    assert acme.status is PluginStatus.ACTIVE
    assert acme.problems == ()
    assert (acme.distribution, acme.version) == ("ticketgen-acme", "2.5")
    assert acme.plugin is not None
    assert acme.plugin.summary == "Labels tickets."


def test_a_plugin_is_gone_when_it_is_uninstalled() -> None:
    path = list(sys.path)
    with installed_plugin("acme", plugin_source()) as installed:
        status = found("acme").status
        imported = installed.module in sys.modules

    assert status is PluginStatus.ACTIVE
    assert imported
    assert installed.module not in sys.modules
    assert sys.path == path
    assert "acme" not in [entry.name for entry in installed_entry_points()]


def test_a_module_that_is_there_already_is_not_hidden() -> None:
    with (
        pytest.raises(ValueError, match="give another distribution name"),
        installed_plugin("acme", plugin_source(), distribution="json"),
    ):
        pass


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_module", "ModuleNotFoundError"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import asyncio\nraise asyncio.CancelledError", "CancelledError"),
    ],
    ids=["missing module", "exception", "syntax", "exit", "cancelled"],
)
def test_a_plugin_that_cannot_be_imported_fails_alone(
    install_plugin: Install, source: str, message: str
) -> None:
    install_plugin("acme", source)

    acme = found("acme")

    (problem,) = acme.problems
    assert acme.status is PluginStatus.FAILED
    assert problem.phase == "import"
    assert message in problem.message
    assert "ticketgen-acme" in problem.remedy
    assert problem.traceback is not None
    assert "Traceback" in problem.traceback
    assert_host_stays_up()


def test_ctrl_c_while_a_plugin_is_imported_still_stops_the_host(install_plugin: Install) -> None:
    install_plugin("acme", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        found("acme")


def test_an_entry_point_has_to_name_a_module(install_plugin: Install) -> None:
    install_plugin("acme", plugin_source(), attribute="ticketgen_plugin")

    (problem,) = found("acme").problems

    assert problem.phase == "import"
    assert "not a module" in problem.message
    assert_host_stays_up()


HOOK_MISTAKES = {
    "no hook": ("", "implements no ticketgen_plugin"),
    "not marked": ("def ticketgen_plugin():\n    return None", "is it marked with @hookimpl?"),
    "misspelt": (
        plugin_source(more="@hookimpl\nasync def ticketgen_chek_ticket(ticket):\n    return []"),
        "ticketgen_chek_ticket",
    ),
    "wrong arguments": (
        plugin_source(more="@hookimpl\nasync def ticketgen_check_ticket(job):\n    return []"),
        "job",
    ),
    "not async": (
        plugin_source(more="@hookimpl\ndef ticketgen_check_ticket(ticket):\n    return []"),
        "ticketgen_check_ticket is no `async def` function",
    ),
    "async where it must not be": (
        "from ticketgen import hookimpl\n@hookimpl\nasync def ticketgen_plugin():\n    return None",
        "has to be plain `def`",
    ),
    "wrapper": (
        plugin_source(
            more="@hookimpl(wrapper=True)\ndef ticketgen_check_ticket(ticket):\n    yield"
        ),
        "is a wrapper",
    ),
}


@pytest.mark.parametrize(("source", "message"), HOOK_MISTAKES.values(), ids=HOOK_MISTAKES)
def test_a_mistake_in_a_hook_is_said_when_the_host_starts(
    install_plugin: Install, source: str, message: str
) -> None:
    install_plugin("acme", source)

    acme = found("acme")

    (problem,) = acme.problems
    assert acme.status is PluginStatus.FAILED
    assert problem.phase == "hooks"
    assert message in problem.message
    assert_host_stays_up()


@pytest.mark.parametrize(
    "body",
    ["raise RuntimeError('no')", "raise SystemExit", "return Plugin()"],
    ids=["exception", "exit", "missing fields"],
)
def test_a_plugin_that_raises_when_it_is_asked_fails_alone(
    install_plugin: Install, body: str
) -> None:
    install_plugin(
        "acme",
        f"from ticketgen import Plugin, hookimpl\n@hookimpl\ndef ticketgen_plugin():\n    {body}",
    )

    (problem,) = found("acme").problems

    assert problem.phase == "register"
    assert problem.traceback is not None
    assert_host_stays_up()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tasks": "None"}, "tasks is NoneType, not a tuple"),
        ({"schedules": "('nightly',)"}, "'nightly' in schedules is no Schedule"),
        ({"provides": "[1]"}, "provides is list, not a tuple"),
        ({"requires": "None"}, ""),
    ],
    ids=["none", "text", "list", "no specifier"],
)
def test_a_value_of_the_wrong_shape_fails_alone(
    install_plugin: Install, fields: dict[str, str], message: str
) -> None:
    install_plugin("acme", plugin_source(**fields))

    acme = found("acme")

    assert acme.status is PluginStatus.FAILED
    assert acme.problems[0].phase == "check"
    assert message in acme.problems[0].message
    assert_host_stays_up()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sessions", "reserved"),
        ("Acme", "no valid plugin name"),
        ("acme-labels", "no valid plugin name"),
        ("acme.labels", "no valid plugin name"),
        ("../acme", "no valid plugin name"),
        ("a" * 60, "no valid plugin name"),
    ],
)
def test_a_bad_name_is_refused_before_anything_is_imported(
    install_plugin: Install, name: str, message: str
) -> None:
    install_plugin(name, "raise AssertionError('imported')", distribution="acme-labels")

    refused = found(name)

    (problem,) = refused.problems
    assert refused.status is PluginStatus.FAILED
    assert problem.phase == "find"
    assert message in problem.message
    assert_host_stays_up()


def test_two_distributions_that_claim_one_name_are_both_refused_and_named(
    install_plugin: Install,
) -> None:
    install_plugin("acme", "raise AssertionError('imported')", distribution="acme-one")
    install_plugin("acme", "raise AssertionError('imported')", distribution="acme-two")

    both = [plugin for plugin in load_registry(Settings()).plugins if plugin.name == "acme"]

    assert [plugin.distribution for plugin in both] == ["acme-one", "acme-two"]
    assert {plugin.status for plugin in both} == {PluginStatus.FAILED}
    for plugin in both:
        (problem,) = plugin.problems
        assert "acme-one and acme-two" in problem.message
        assert "Uninstall all but one" in problem.remedy
    assert_host_stays_up()


def test_a_stranger_cannot_take_the_place_of_a_built_in_nor_stop_the_host(
    install_plugin: Install,
) -> None:
    install_plugin("export", "raise AssertionError('imported')", distribution="acme-export")

    registry = load_registry(Settings())

    mine, theirs = (plugin for plugin in registry.plugins if plugin.name == "export")
    assert (mine.distribution, mine.status) == ("acme-export", PluginStatus.FAILED)
    assert "acme-export and ticketgen-export" in mine.problems[0].message
    assert theirs.status is PluginStatus.ACTIVE
    assert registry.problem_of("export") is None
    assert registry.version_of("export") == theirs.version


def test_of_two_that_claim_one_name_none_fails_where_the_name_is_shut_out(
    install_plugin: Install,
) -> None:
    install_plugin("acme", "raise AssertionError('imported')", distribution="acme-one")
    install_plugin("acme", "raise AssertionError('imported')", distribution="acme-two")

    both = [
        plugin
        for plugin in load_registry(Settings(safe_mode=True)).plugins
        if plugin.name == "acme"
    ]

    assert [plugin.status for plugin in both] == [PluginStatus.DISABLED] * 2


@pytest.mark.parametrize(
    ("requires", "status", "phase"),
    [
        ("'>=2'", PluginStatus.INCOMPATIBLE, "contract"),
        ("'<1'", PluginStatus.INCOMPATIBLE, "contract"),
        ("'one or two'", PluginStatus.FAILED, "check"),
    ],
)
def test_a_plugin_for_another_contract_is_not_used(
    install_plugin: Install, requires: str, status: PluginStatus, phase: str
) -> None:
    install_plugin("acme", plugin_source(requires=requires))

    acme = found("acme")

    (problem,) = acme.problems
    assert (acme.status, problem.phase) == (status, phase)
    assert acme.plugin is None
    assert_host_stays_up()


def test_a_blocked_plugin_is_not_imported(install_plugin: Install) -> None:
    install_plugin("acme", "raise AssertionError('imported')")

    acme = found("acme", Settings(blocked_plugins=("acme",)))

    (problem,) = acme.problems
    assert acme.status is PluginStatus.DISABLED
    assert problem.message == "TICKETGEN_BLOCKED_PLUGINS names it"


def test_where_some_plugins_are_allowed_no_other_is_imported(install_plugin: Install) -> None:
    install_plugin("acme", "raise AssertionError('imported')")
    settings = Settings(allowed_plugins=("cleanup",))

    registry = load_registry(settings)

    assert [plugin.name for plugin in registry.active] == ["cleanup"]
    assert found("acme", settings).status is PluginStatus.DISABLED


def test_a_plugin_of_a_half_removed_distribution_is_listed(install_plugin: Install) -> None:
    install_plugin("acme", plugin_source())
    (entry,) = [item for item in installed_entry_points() if item.name == "acme"]
    assert entry.dist is not None
    metadata = entry.dist.locate_file("ticketgen_acme-1.0.dist-info/METADATA")
    assert hasattr(metadata, "unlink")
    metadata.unlink()

    acme = found("acme")

    assert (acme.distribution, acme.version) == ("?", "?")
    assert acme.status is PluginStatus.ACTIVE
    assert_host_stays_up()
