"""One name runs through everything: who knows a plugin's name knows where all of it is."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

import pytest

from tests.rules.tree import PLUGINS, ROOT, pyproject
from ticketgen import Plugin
from ticketgen.discovery import installed_entry_points, load_plugin
from ticketgen.plugin import ENTRY_POINT_GROUP
from ticketgen.registry import load_registry
from ticketgen.settings import Settings

FOLDERS = tuple(sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")))


def _plugin(name: str) -> Plugin:
    entry = next(item for item in installed_entry_points() if item.name == name)
    module = entry.load()
    plugin: Plugin = module.ticketgen_plugin()
    return plugin


def test_the_folders_are_the_plugins() -> None:
    assert FOLDERS == PLUGINS


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_distribution_import_and_entry_point_have_one_name(name: str) -> None:
    project = pyproject(ROOT / "plugins" / name)

    distribution = project["project"]["name"]
    declared = project["project"]["entry-points"][ENTRY_POINT_GROUP]
    packaged = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    (installed,) = [item for item in entry_points(group=ENTRY_POINT_GROUP) if item.name == name]

    assert distribution == f"ticketgen-{name.replace('_', '-')}"
    assert declared == {name: f"ticketgen_{name}.plugin"}
    assert packaged == [f"src/ticketgen_{name}"]
    assert installed.value == f"ticketgen_{name}.plugin"
    assert installed.dist is not None
    assert installed.dist.name == distribution
    assert import_module(f"ticketgen_{name}").__doc__


@pytest.mark.parametrize("name", FOLDERS)
def test_tasks_and_error_codes_begin_with_the_plugins_name(name: str) -> None:
    plugin = _plugin(name)

    codes = [error.code for error in plugin.errors]
    types = [task.name for task in plugin.tasks]

    assert plugin.name == name
    assert types
    assert all(task == name or task.startswith(f"{name}.") for task in types)
    assert all(code.startswith(f"{name}.") for code in codes)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_plugin_lists_every_error_class_of_its_own(name: str) -> None:
    plugin = _plugin(name)
    if not (ROOT / f"plugins/{name}/src/ticketgen_{name}/errors.py").exists():
        assert plugin.errors == ()
        return

    listed = import_module(f"ticketgen_{name}.errors").__all__
    defined = [one for one in listed if not one.isupper()]

    assert sorted(error.__name__ for error in plugin.errors) == sorted(defined)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_plugins_settings_are_read_under_its_name(
    name: str, clean_environment: pytest.MonkeyPatch
) -> None:
    plugin = _plugin(name)
    fields = plugin.settings.model_fields if plugin.settings else {}
    for field, described in fields.items():
        usual = described.get_default(call_default_factory=True)
        said = "7" if usual is None or usual == "" else str(usual)
        clean_environment.setenv(f"TICKETGEN_{name.upper()}_{field.upper()}", said)

    registry = load_registry(Settings())

    read = registry.settings.get(name)
    assert (read is None) == (plugin.settings is None)
    assert all(field in read.model_fields_set for field in fields) if read else not fields


@pytest.mark.parametrize("name", FOLDERS)
def test_the_host_finds_the_plugin_under_its_name(name: str) -> None:
    registry = load_registry(Settings(required_plugins=()))

    (found,) = [item for item in registry.plugins if item.name == name]

    assert load_plugin(found).problems == ()
