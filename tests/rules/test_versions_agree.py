"""The six distributions are released together: one version, in every place that names it."""

from __future__ import annotations

from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.rules.tree import PLUGINS, ROOT, pyproject

FOLDERS = (ROOT, ROOT / "core", *(ROOT / "plugins" / name for name in PLUGINS))
VERSION = pyproject()["project"]["version"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_distribution_has_the_version_of_all(folder: Path) -> None:
    project = pyproject(folder)["project"]

    assert project["version"] == VERSION
    assert project["requires-python"] == pyproject()["project"]["requires-python"]
    assert project["license"] == pyproject()["project"]["license"]


@pytest.mark.parametrize("folder", FOLDERS[1:], ids=lambda folder: folder.name)
def test_what_is_installed_is_what_the_tree_says(folder: Path) -> None:
    name = pyproject(folder)["project"]["name"]

    installed = metadata(name)

    assert installed["Name"] == name
    assert installed["Version"] == VERSION


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_asks_for_a_core_of_this_version(plugin: str) -> None:
    listed = pyproject(ROOT / "plugins" / plugin)["project"]["dependencies"]

    needed = [Requirement(line) for line in listed]

    core = next(item for item in needed if item.name == "ticketgen-core")
    assert core.specifier.contains(VERSION)
    assert not core.specifier.contains("1000")


def test_the_whole_depends_on_every_member() -> None:
    listed = [Requirement(line.split(" @ ")[0]) for line in pyproject()["project"]["dependencies"]]
    servers = pyproject(ROOT / "core")["project"]["optional-dependencies"]["embedded"]

    members = {pyproject(folder)["project"]["name"] for folder in FOLDERS[1:]}

    names = {item.name for item in listed}
    assert members <= names
    assert names - members <= {Requirement(line).name for line in servers}
