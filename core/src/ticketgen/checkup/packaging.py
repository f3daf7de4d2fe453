"""What the metadata of a distribution says, and what is missing in the package it ships."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ticketgen.checkup.flaws import Flaw, advice, fault

__all__ = ["packaging_flaws"]

_CORE = "ticketgen-core"
_WHERE = "pyproject.toml"
_FAR = "1000000"
"""A version that no upper bound admits."""


def packaging_flaws(distribution: Distribution, entry: EntryPoint) -> list[Flaw]:
    """What is wrong with the metadata around one plugin of the distribution."""
    return [
        *_entry_flaws(entry),
        *_name_flaws(distribution, entry),
        *_dependency_flaws(distribution),
        *_type_flaws(entry),
    ]


def _entry_flaws(entry: EntryPoint) -> Iterator[Flaw]:
    if entry.attr:
        yield fault(
            _WHERE,
            f"the entry point {entry.name!r} names {entry.value!r}, something inside a module",
            f"Name the module alone: {entry.name} = {entry.module!r}.",
        )


def _name_flaws(distribution: Distribution, entry: EntryPoint) -> Iterator[Flaw]:
    """One name runs through everything; whoever knows it knows where all of it is."""
    wanted = canonicalize_name(f"ticketgen-{entry.name}")
    if canonicalize_name(distribution.name) != wanted:
        yield advice(
            _WHERE,
            f"the distribution of the plugin {entry.name!r} is called {distribution.name!r}",
            f"Call it {wanted!r}, so that people can find it.",
        )
    package = entry.module.partition(".")[0]
    if package != f"ticketgen_{entry.name}":
        yield advice(
            _WHERE,
            f"the package of the plugin {entry.name!r} is called {package!r}",
            f"Call it 'ticketgen_{entry.name}': other names may be taken.",
        )


def _dependency_flaws(distribution: Distribution) -> Iterator[Flaw]:
    needed = [Requirement(line) for line in distribution.requires or ()]
    core = [
        item for item in needed if canonicalize_name(item.name) == _CORE and item.marker is None
    ]
    if not core:
        yield fault(
            _WHERE,
            f"the distribution does not depend on {_CORE}",
            f'Add it to dependencies: "{_CORE}>=0.1,<0.2".',
        )
    elif any(item.specifier.contains(_FAR, prereleases=True) for item in core):
        yield advice(
            _WHERE,
            f"the dependency on {_CORE} has no upper bound ({core[0]})",
            f'Give it one, and raise it after a test: "{_CORE}>=0.1,<0.2".',
        )


def _type_flaws(entry: EntryPoint) -> Iterator[Flaw]:
    package = entry.module.partition(".")[0]
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return
    if spec is None or spec.submodule_search_locations is None:
        return  # a single module cannot say that it is typed
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    if not any((folder / "py.typed").is_file() for folder in folders):
        yield advice(
            package,
            "it has no py.typed, so type checkers ignore its annotations",
            f"Add an empty file {package}/py.typed, and see that the wheel contains it.",
        )
