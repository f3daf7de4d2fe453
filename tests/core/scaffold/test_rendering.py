from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ticketgen.plugin import CONTRACT_VERSION
from ticketgen.scaffold import plugin_names, scaffold
from ticketgen.scaffold.rendering import core_requirement

NAMES = plugin_names("acme-labels")

EVERY = {
    ".github/workflows/check.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "src/ticketgen_acme_labels/__init__.py",
    "src/ticketgen_acme_labels/counting.py",
    "src/ticketgen_acme_labels/errors.py",
    "src/ticketgen_acme_labels/plugin.py",
    "src/ticketgen_acme_labels/py.typed",
    "src/ticketgen_acme_labels/schemas.py",
    "src/ticketgen_acme_labels/tasks.py",
    "tests/test_conforms.py",
    "tests/test_counting.py",
    "tests/test_flow.py",
    "tests/test_tasks.py",
}

MORE = {
    "src/ticketgen_acme_labels/api.py",
    "src/ticketgen_acme_labels/health.py",
    "src/ticketgen_acme_labels/migrations/versions/0001_word_counts.py",
    "src/ticketgen_acme_labels/service.py",
    "src/ticketgen_acme_labels/settings.py",
    "src/ticketgen_acme_labels/tables.py",
}


@pytest.mark.parametrize(("minimal", "paths"), [(True, EVERY), (False, EVERY | MORE)])
def test_a_distribution_has_a_file_for_every_role(minimal: bool, paths: set[str]) -> None:
    written = scaffold(NAMES, minimal=minimal)

    assert list(written) == sorted(paths)


@pytest.mark.parametrize("minimal", [True, False])
def test_no_placeholder_is_left(minimal: bool) -> None:
    written = scaffold(NAMES, minimal=minimal)

    left = [path for path, text in written.items() if re.search(r"\$(?!\{\{ )", path + text)]

    assert left == []
    assert "${{ matrix.python }}" in written[".github/workflows/check.yml"]


def test_the_metadata_names_the_plugin_its_package_and_the_core_it_works_with() -> None:
    project = tomllib.loads(scaffold(NAMES)["pyproject.toml"])["project"]

    assert project["name"] == "ticketgen-acme-labels"
    assert project["entry-points"]["ticketgen.plugins"] == {
        "acme_labels": "ticketgen_acme_labels.plugin"
    }
    assert project["dependencies"] == [core_requirement(Version(version("ticketgen-core")))]


def test_it_asks_for_the_contract_it_was_made_with() -> None:
    source = scaffold(NAMES)["src/ticketgen_acme_labels/plugin.py"]

    (requires,) = re.findall(r'requires="(.*)"', source)

    assert SpecifierSet(requires).contains(CONTRACT_VERSION)
    assert not SpecifierSet(requires).contains(f"{Version(CONTRACT_VERSION).major + 1}.0")


@pytest.mark.parametrize(
    ("core", "requirement"),
    [
        ("0.1.0", "ticketgen-core>=0.1,<0.2"),
        ("0.12.3", "ticketgen-core>=0.12,<0.13"),
        ("1.4.2", "ticketgen-core>=1.4,<2"),
        ("0.2.0.dev3", "ticketgen-core>=0.2.0.dev3,<0.3"),
    ],
)
def test_it_depends_on_the_core_it_was_made_with_and_on_none_that_may_break(
    core: str, requirement: str
) -> None:
    asked = core_requirement(Version(core))

    assert asked == requirement
    assert SpecifierSet(asked.removeprefix("ticketgen-core")).contains(core, prereleases=True)


def test_no_template_looks_like_a_file_of_ours() -> None:
    folder = Path(str(files("ticketgen.scaffold") / "templates"))

    ends = {path.suffix for path in folder.rglob("*") if path.is_file()}

    assert ends == {".txt"}
