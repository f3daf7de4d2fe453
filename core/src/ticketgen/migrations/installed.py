"""Which of the installed plugins bring tables, found without what a process needs besides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType

from ticketgen.discovery import (
    FoundPlugin,
    PluginStatus,
    find_plugins,
    installed_entry_points,
    load_plugin,
)
from ticketgen.errors import ConfigurationError, NotFoundError
from ticketgen.migrations.ownership import version_table_of
from ticketgen.migrations.trees import Tree, plugin_tree
from ticketgen.plugin import Migrations, Plugin
from ticketgen.settings import Settings

__all__ = ["InstalledTrees", "installed_trees", "named_tree"]


@dataclass(frozen=True, kw_only=True)
class InstalledTrees:
    """The trees of the installed plugins, and the plugins that could not be asked."""

    trees: tuple[Tree, ...]
    """By name."""
    unread: tuple[FoundPlugin, ...]
    """Broken, or shut out by a setting: their tables stay as they are."""


def installed_trees(
    settings: Settings, entries: Iterable[EntryPoint] | None = None
) -> InstalledTrees:
    """Find the trees of all plugins that may be loaded; a plugin's own settings are not read."""
    found = find_plugins(installed_entry_points() if entries is None else entries, settings)
    loaded = [
        load_plugin(item, lazily=True) if item.status is PluginStatus.ACTIVE else item
        for item in found
    ]
    return InstalledTrees(
        trees=tuple(
            plugin_tree(item.name, item.plugin.migrations)
            for item in loaded
            if item.plugin is not None and item.plugin.migrations is not None
        ),
        unread=tuple(item for item in loaded if item.plugin is None),
    )


def named_tree(name: str, settings: Settings) -> Tree:
    """The tree of one installed plugin, however little else of it is in order.

    It may be blocked, made for another version of the contract, or wrong in another part: its
    tables can be taken back as long as it can be imported.

    Raises:
        NotFoundError: no plugin of that name is installed, or it has no tables.
        ConfigurationError: several claim the name, or it cannot be imported.
    """
    open_to_all = settings.model_copy(
        update={"blocked_plugins": (), "allowed_plugins": (), "safe_mode": False}
    )
    entries = [entry for entry in installed_entry_points() if entry.name == name]
    if not entries:
        raise NotFoundError(
            f"No installed plugin is called {name!r}.",
            recovery_actions=[
                "See `ticketgen plugins` for the names.",
                "Tables of a plugin that is gone are taken back by its own revisions: install it "
                "again first. Or drop them by hand, with their table "
                f"{version_table_of(name)}; `ticketgen db status` lists them.",
            ],
        )
    found = find_plugins(entries, open_to_all)
    usable = [item for item in found if item.status is PluginStatus.ACTIVE]
    if len(usable) != 1:
        raise _unusable(found[0])
    migrations = _migrations_of(usable[0])
    if migrations is None:
        raise NotFoundError(
            f"The plugin {name!r} has no tables of its own.",
            recovery_actions=["See `ticketgen db status` for those that have."],
        )
    return plugin_tree(name, migrations)


def _migrations_of(found: FoundPlugin) -> Migrations | None:
    loaded = load_plugin(found, lazily=True)
    if loaded.plugin is not None:
        return loaded.plugin.migrations
    value = _value_of(loaded)
    if not isinstance(value, Plugin):
        raise _unusable(loaded)
    if value.migrations is not None and not isinstance(value.migrations, Migrations):
        raise _unusable(loaded)
    return value.migrations


def _value_of(refused: FoundPlugin) -> object:
    """What a plugin that was refused contributes all the same; None if it cannot be asked."""
    try:
        module = refused.entry_point.load()
        return module.ticketgen_plugin() if isinstance(module, ModuleType) else None
    except KeyboardInterrupt:
        raise
    except BaseException:  # load_plugin has said already what it raises
        return None


def _unusable(found: FoundPlugin) -> ConfigurationError:
    return ConfigurationError(
        f"The plugin {found.name!r} ({found.distribution} {found.version}) cannot be loaded: "
        + "; ".join(problem.message for problem in found.problems),
        recovery_actions=[
            *(problem.remedy for problem in found.problems),
            "Nothing was changed: its own revisions are needed to change its tables.",
        ],
    )
