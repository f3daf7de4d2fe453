"""Checks an installed distribution, or a plugin by its name or its value."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution

from packaging.utils import canonicalize_name

from ticketgen.checkup.flaws import Flaw, fault
from ticketgen.checkup.imports import import_flaws
from ticketgen.checkup.packaging import packaging_flaws
from ticketgen.checkup.values import value_flaws
from ticketgen.conformance import Problem, check_identity
from ticketgen.conformance import check_plugin as loader_check
from ticketgen.discovery import FoundPlugin, PluginStatus, installed_entry_points, load_plugin
from ticketgen.errors import NotFoundError
from ticketgen.plugin import ENTRY_POINT_GROUP, Plugin

__all__ = ["check_distribution", "check_plugin", "distribution_of", "entries_of"]


def check_plugin(plugin: str | Plugin) -> list[Flaw]:
    """Everything an author can mend about a plugin, the gravest first; empty if there is nothing.

    A name stands for the installed plugin, with its distribution. A value is checked by itself.

    Raises:
        NotFoundError: no plugin of that name is installed.
    """
    if isinstance(plugin, str):
        return _sorted(_of_entry(_entry(plugin)))
    identity = check_identity(str(plugin.name))
    problems = [*identity, *loader_check(plugin, name=plugin.name)]
    return _sorted(_refusals("Plugin", problems) if problems else value_flaws(plugin))


def check_distribution(name: str) -> list[Flaw]:
    """Everything an author can mend about all plugins of an installed distribution.

    Raises:
        NotFoundError: it is not installed.
    """
    entries = entries_of(name)
    if not entries:
        return [
            fault(
                "pyproject.toml",
                f"the distribution has no entry point in the group {ENTRY_POINT_GROUP!r}",
                f'Add [project.entry-points."{ENTRY_POINT_GROUP}"] with the plugin\'s name and '
                "module, and install it again.",
            )
        ]
    flaws = [flaw for entry in entries for flaw in _of_entry(entry)]
    return _sorted(dict.fromkeys(flaws))


def distribution_of(name: str) -> str:
    """The distribution that is called so, or that brings the plugin that is called so.

    Raises:
        NotFoundError: neither is installed.
    """
    try:
        return distribution(name).name
    except (PackageNotFoundError, ValueError):
        return _distribution(_entry(name)).name


def entries_of(name: str) -> list[EntryPoint]:
    """The plugins of an installed distribution.

    Raises:
        NotFoundError: it is not installed.
    """
    try:
        wanted = canonicalize_name(distribution(name).name)
    except (PackageNotFoundError, ValueError) as error:
        raise NotFoundError(
            f"No distribution {name!r} is installed in this environment.",
            recovery_actions=["Install it first: pip install -e ."],
        ) from error
    return [
        entry
        for entry in installed_entry_points()
        if canonicalize_name(_distribution(entry).name) == wanted
    ]


def _entry(plugin: str) -> EntryPoint:
    entries = {entry.name: entry for entry in installed_entry_points()}
    if plugin not in entries:
        raise NotFoundError(
            f"No plugin and no distribution {plugin!r} is installed in this environment.",
            recovery_actions=[
                f"Installed plugins: {', '.join(sorted(entries)) or 'none'}.",
                "Install yours first: pip install -e .",
            ],
        )
    return entries[plugin]


def _distribution(entry: EntryPoint) -> Distribution:
    assert entry.dist is not None, "an installed entry point has a distribution"  # noqa: S101
    return entry.dist


def _of_entry(entry: EntryPoint) -> list[Flaw]:
    found = FoundPlugin(
        name=entry.name,
        distribution=_distribution(entry).name,
        version=_distribution(entry).version,
        status=PluginStatus.ACTIVE,
        entry_point=entry,
    )
    problems = check_identity(entry.name)
    loaded = load_plugin(found)
    package = entry.module.partition(".")[0]
    others = {
        other.module.partition(".")[0]
        for other in installed_entry_points()
        if _distribution(other).name != _distribution(entry).name
    } - {package}
    return [
        *_refusals(f"plugin {entry.name!r}", [*problems, *loaded.problems]),
        *packaging_flaws(_distribution(entry), entry),
        *import_flaws(package, others),
        *(value_flaws(loaded.plugin) if loaded.plugin else ()),
    ]


def _refusals(where: str, problems: Iterable[Problem]) -> list[Flaw]:
    return [
        fault(where, f"the host refuses it ({item.phase}): {item.message}", item.remedy)
        for item in problems
    ]


def _sorted(flaws: Iterable[Flaw]) -> list[Flaw]:
    """Errors first; otherwise as they were found."""
    return sorted(flaws, key=lambda flaw: flaw.weight != "error")
