"""The files of a new plugin: path and text, from the templates shipped beside this module."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version as installed_version
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

from packaging.version import Version

from ticketgen.plugin import CONTRACT_VERSION
from ticketgen.scaffold.naming import PluginNames

__all__ = ["core_requirement", "scaffold"]

_SUFFIX = ".txt"
"""Ends the name of every template, so that no tool takes one for a file of ours."""

_LINE_LENGTH = 100
"""Of the new plugin's formatter."""

_SHORT_IMPORT = re.compile(r"^(from \S+ import) (\w[\w, ]*)$", re.MULTILINE)


def scaffold(names: PluginNames, *, minimal: bool = False) -> Mapping[str, str]:
    """The distribution of a new plugin: path below its directory → text, sorted by path.

    It has all a plugin can have, or one task only if `minimal`.
    """
    values = {
        "name": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "prefix": names.prefix,
        "variables": names.variables,
        "core": core_requirement(Version(installed_version("ticketgen-core"))),
        "contract": _range(Version(CONTRACT_VERSION)),
    }
    root = files(__package__) / "templates"
    found = [*_templates(root / "every"), *_templates(root / ("minimal" if minimal else "full"))]
    rendered = {_filled(path, values): _wrapped(_filled(text, values)) for path, text in found}
    return dict(sorted(rendered.items()))


def core_requirement(core: Version) -> str:
    """The releases of core that a plugin made with this one may expect to work with."""
    return f"ticketgen-core{_range(core)}"


def _range(version: Version) -> str:
    """From this release to the next that may break: before 1.0 that is every minor one."""
    least = str(version) if version.is_prerelease else f"{version.major}.{version.minor}"
    below = f"{version.major + 1}" if version.major else f"0.{version.minor + 1}"
    return f">={least},<{below}"


def _filled(text: str, values: Mapping[str, str]) -> str:
    return Template(text).substitute(values)


def _wrapped(text: str) -> str:
    """The text with the imports that a long name made too long as the formatter writes them."""

    def wrap(found: re.Match[str]) -> str:
        if len(found[0]) <= _LINE_LENGTH:
            return found[0]
        names = "".join(f"    {name},\n" for name in found[2].split(", "))
        return f"{found[1]} (\n{names})"

    return _SHORT_IMPORT.sub(wrap, text)


def _templates(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    """Path of the file to be, and text, of every template below a folder."""
    for entry in folder.iterdir():
        path = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _templates(entry, f"{path}/")
        elif path.endswith(_SUFFIX):
            yield path.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")
