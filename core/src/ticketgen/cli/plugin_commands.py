"""`ticketgen {plugin} …`: the commands that plugins bring, each plugin loaded when it is called.

The host's own commands are looked for first, and need no plugin: one that is broken, slow or
called like one of them is in nobody's way. A word that is neither a command nor a plugin may be
a `Shortcut`; to know, every plugin is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from difflib import get_close_matches
from importlib.metadata import EntryPoint
from typing import Any

from rich.markup import escape
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from ticketgen.conformance import check_identity
from ticketgen.console import fail
from ticketgen.discovery import FoundPlugin, PluginStatus, find_plugins, installed_entry_points
from ticketgen.errors import AdminRequiredError, TicketgenError
from ticketgen.lazy import loaded
from ticketgen.plugin import Plugin
from ticketgen.provides import Commands, Shortcut
from ticketgen.registry import survey_registry
from ticketgen.settings import load_settings

__all__ = ["PluginGroup"]

_PANEL = "Commands of plugins"


class PluginGroup(TyperGroup):
    """The host's commands, and behind them those of the installed plugins.

    The context is `typer.Context` or its base, which different versions of typer keep in
    different places: hence `Any`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unknown: set[str] = set()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The host's command of that name, else the plugin's; None if there is neither."""
        return super().get_command(ctx, cmd_name) or self._of_plugin(ctx, cmd_name)

    def _of_plugin(self, ctx: Any, word: str) -> Any:
        if word in self._unknown or word.startswith("-"):
            return None
        try:
            command = plugin_group(word) or shortcut_command(word)
        except TicketgenError as error:
            if ctx.resilient_parsing:  # a shell that completes a word is told nothing
                return None
            fail(error)
        # Either way, so that nobody loads the plugins a second time.
        if command is None:
            self._unknown.add(word)
        else:
            self.add_command(command, word)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As usual, but what is unknown is compared with the plugins' names too."""
        word = args[0]
        if not (ctx.resilient_parsing or word.startswith("-") or self.get_command(ctx, word)):
            names = [*self.commands, *(found.name for found in _installed())]
            near = ", ".join(repr(name) for name in get_close_matches(word, names))
            ctx.fail(f"No such command {word!r}." + (f" Did you mean {near}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As usual, with the installed plugins under a heading of their own."""
        complete = copy(self)
        own = {name: command for name, command in self.commands.items() if name is not None}
        complete.commands = {found.name: _line(found) for found in _installed()} | own
        TyperGroup.format_help(complete, ctx, formatter)


def plugin_group(word: str) -> TyperGroup | None:
    """The commands of the plugin that is called so, hyphens or not; None if there is no such.

    Raises:
        TicketgenError: it is installed, and cannot be used, or has no commands.
    """
    name = word.replace("-", "_")
    entries = [entry for entry in installed_entry_points() if entry.name == name]
    if not entries:
        return None
    return _group_of(_loaded(name, entries))


def shortcut_command(word: str) -> Any:
    """The command that a plugin in use gives that name to; None if there is no such.

    Raises:
        TicketgenError: the commands of the plugin cannot be built.
    """
    try:
        active = survey_registry(load_settings(), installed_entry_points(), lazily=True).active
    except TicketgenError:
        return None  # the settings are wrong, and every other command says how
    for plugin in active:
        for value in plugin.provides:
            if isinstance(value, Shortcut) and value.name == word:
                return _group_of(plugin).commands.get(value.command)
    return None


def _group_of(plugin: Plugin) -> TyperGroup:
    apps = [value.app for value in plugin.provides if isinstance(value, Commands)]
    if not apps:
        raise AdminRequiredError(
            f"The plugin {plugin.name!r} has no commands.",
            recovery_actions=["See `ticketgen plugins` for what it adds."],
        )
    try:
        group = get_group(loaded(apps[0]))
    except Exception as error:  # its import, an argument of a type typer does not know, …
        raise AdminRequiredError(
            f"The commands of the plugin {plugin.name!r} cannot be built: "
            f"{type(error).__name__}: {error}",
            recovery_actions=["Its author has to mend its typer app."],
        ) from error
    group.help = group.help or escape(plugin.summary)
    group.no_args_is_help = not group.invoke_without_command
    return group


def _loaded(name: str, entries: list[EntryPoint]) -> Plugin:
    """Load this plugin and no other."""
    settings = load_settings()
    [found, *_] = find_plugins(entries, settings)
    if found.status is PluginStatus.DISABLED:
        raise AdminRequiredError(
            f"The plugin {name!r} is not in use: {found.problems[0].message}.",
            recovery_actions=[found.problems[0].remedy],
        )
    registry = survey_registry(settings, entries, lazily=True)
    problem = registry.problem_of(name)
    if problem is not None:  # in full: whoever sits here runs the host
        raise AdminRequiredError(
            f"The plugin {name!r} is out of use: {problem.message}",
            recovery_actions=[problem.remedy, "See `ticketgen plugins doctor`."],
        )
    return registry.active[0]


def _installed() -> list[FoundPlugin]:
    """The plugins that may be loaded, by their metadata: none of them is imported."""
    try:
        found = find_plugins(installed_entry_points(), load_settings())
    except TicketgenError:
        return []  # the settings are wrong, and every other command says how
    named = {plugin.name: plugin for plugin in found if not check_identity(plugin.name)}
    return [plugin for plugin in named.values() if plugin.status is not PluginStatus.DISABLED]


def _line(found: FoundPlugin) -> TyperCommand:
    """What a listing says of a plugin: what its distribution says of itself."""
    return TyperCommand(found.name, help=escape(_summary(found)), rich_help_panel=_PANEL)


def _summary(found: FoundPlugin) -> str:
    problems: Iterator[str] = (problem.message for problem in found.problems)
    metadata = found.entry_point.dist.metadata if found.entry_point.dist else None
    said = (metadata.get_all("Summary") if metadata is not None else None) or [""]
    return next((f"Out of use: {problem}." for problem in problems), str(said[0]))
