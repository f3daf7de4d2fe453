"""Every installed plugin keeps the contract, the built-in ones like a stranger's."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from tests.rules.tree import PLUGINS
from ticketgen.discovery import PluginStatus, find_plugins, installed_entry_points, load_plugin
from ticketgen.settings import Settings
from ticketgen.testing import check_plugin


def test_the_four_plugins_of_the_product_are_installed() -> None:
    installed = [entry.name for entry in installed_entry_points()]

    assert set(PLUGINS) <= set(installed)


@pytest.mark.parametrize("entry", installed_entry_points(), ids=lambda entry: entry.name)
def test_an_installed_plugin_has_no_problem(entry: EntryPoint) -> None:
    (found,) = find_plugins([entry], Settings())

    loaded = load_plugin(found)

    assert loaded.problems == ()
    assert loaded.status is PluginStatus.ACTIVE


@pytest.mark.parametrize("name", PLUGINS)
def test_a_built_in_plugin_gives_its_author_nothing_to_mend(name: str) -> None:
    flaws = check_plugin(name)

    assert [str(flaw) for flaw in flaws] == []
