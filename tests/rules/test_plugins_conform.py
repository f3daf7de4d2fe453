"""Every installed plugin keeps the contract, the built-in ones like a stranger's."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from tests.rules.tree import PLUGINS
from ticketgen.conformance import check_identity, check_plugin
from ticketgen.discovery import PluginStatus, find_plugins, installed_entry_points, load_plugin
from ticketgen.settings import Settings


def test_the_four_plugins_of_the_product_are_installed() -> None:
    installed = [entry.name for entry in installed_entry_points()]

    assert set(PLUGINS) <= set(installed)


@pytest.mark.parametrize("entry", installed_entry_points(), ids=lambda entry: entry.name)
def test_an_installed_plugin_has_no_problem(entry: EntryPoint) -> None:
    (found,) = find_plugins([entry], Settings())

    loaded = load_plugin(found)

    assert check_identity(entry.name) == []
    assert loaded.problems == ()
    assert loaded.status is PluginStatus.ACTIVE
    assert check_plugin(loaded.plugin, name=entry.name) == []
