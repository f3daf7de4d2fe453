"""What the scaffold writes passes the checks that it brings along, as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.core.scaffold.generated import Generated, generate, python_in

pytestmark = pytest.mark.timeout(900)  # a cold mypy on a loaded machine takes its time

LONGEST = "a" * 24 + "_" + "b" * 24

ON_THE_TABLE = "test_the_words_of_every_ticket_are_counted_and_shown"


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Generated, ...]:
    """All there can be, and one task only; lines and names of the database as long as can be."""
    folder = tmp_path_factory.mktemp("generated")
    return (
        generate(folder, "acme-labels"),
        generate(folder, "acme-small", minimal=True),
        generate(folder, LONGEST),
    )


@pytest.mark.parametrize("name", ["ab", "acme-labels", LONGEST])
@pytest.mark.parametrize("minimal", [False, True])
def test_it_is_formatted_and_linted_however_long_its_name(
    tmp_path: Path, name: str, minimal: bool
) -> None:
    generated = generate(tmp_path, name, minimal=minimal)

    linted = python_in(generated.directory, [generated], "ruff", "check", ".")
    formatted = python_in(generated.directory, [generated], "ruff", "format", "--check", ".")

    assert linted[0] == 0, linted[1]
    assert formatted[0] == 0, formatted[1]


def test_its_types_are_right_by_the_strict_rules(
    plugins: tuple[Generated, ...], pytestconfig: pytest.Config
) -> None:
    assert pytestconfig.cache is not None
    cache = str(pytestconfig.cache.mkdir("mypy-of-the-scaffold"))

    for generated in plugins[:2]:  # a longer name changes no type
        code, said = python_in(generated.directory, [generated], "mypy", "--cache-dir", cache)

        assert code == 0, said
        assert re.search(r"no issues found in \d\d source files", said)


@pytest.mark.services
def test_it_passes_its_own_tests(plugins: tuple[Generated, ...]) -> None:
    full, minimal, longest = (generated.directory / "tests" for generated in plugins)
    wanted = [
        full,
        minimal,
        longest / "test_conforms.py",
        f"{longest}/test_flow.py::{ON_THE_TABLE}",
    ]

    code, said = python_in(
        full, plugins, "pytest", "--import-mode=importlib", "-q", *map(str, wanted)
    )

    assert code == 0, said
    assert re.search(r"^\d\d passed in", said, re.MULTILINE), said
