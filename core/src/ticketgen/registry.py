"""The installed plugins, found, checked and frozen; what everything else is built from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from ticketgen.conformance import Problem, claimed_names, owner_by_name, raised
from ticketgen.discovery import (
    FoundPlugin,
    PluginStatus,
    find_plugins,
    installed_entry_points,
    load_plugin,
)
from ticketgen.errors import AdminRequiredError, ConfigurationError, NotFoundError
from ticketgen.hooks import HookCaller
from ticketgen.plugin import Plugin, Schedule, Task
from ticketgen.settings import Settings
from ticketgen.standing import Standing

__all__ = [
    "PluginFailureError",
    "PluginUnavailableError",
    "RegisteredSchedule",
    "RegisteredTask",
    "Registry",
    "insist",
    "load_registry",
    "survey_registry",
]

ContributionT = TypeVar("ContributionT")


class PluginFailureError(ConfigurationError):
    """A plugin the host must not run without is broken."""

    code = "plugin_failure"


class PluginUnavailableError(AdminRequiredError):
    """The plugin is installed, and out of use because something is wrong with it."""

    status = 503
    code = "plugin_unavailable"


@dataclass(frozen=True, kw_only=True)
class RegisteredTask:
    """A task and the plugin it belongs to."""

    task: Task[Any, Any]
    plugin: Plugin
    settings: BaseSettings | None


@dataclass(frozen=True, kw_only=True)
class RegisteredSchedule:
    """A schedule and its name in the whole system, `plugin.schedule`."""

    name: str
    schedule: Schedule
    plugin: Plugin


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Everything the installed plugins contribute; only what `standing` says changes."""

    loaded: tuple[FoundPlugin, ...]
    """All that are installed, by name, as loading left them."""
    tasks: Mapping[str, RegisteredTask]
    """Of every plugin that could be loaded, also of those that are out of use just now."""
    schedules: Mapping[str, RegisteredSchedule]
    """The same for schedules."""
    settings: Mapping[str, BaseSettings]
    hooks: HookCaller
    standing: Standing = field(default_factory=Standing)

    @property
    def plugins(self) -> tuple[FoundPlugin, ...]:
        """All that are installed, by name, as they stand in this process now."""
        return tuple(self._as_it_stands(found) for found in self.loaded)

    @property
    def active(self) -> tuple[Plugin, ...]:
        """The values of the plugins in use, by name."""
        return tuple(
            found.plugin
            for found in self.loaded
            if found.plugin is not None and self.standing.problem_of(found.name) is None
        )

    @property
    def served(self) -> tuple[str, ...]:
        """The task types of the plugins in use."""
        active = {plugin.name for plugin in self.active}
        return tuple(name for name, task in self.tasks.items() if task.plugin.name in active)

    @property
    def firing(self) -> tuple[RegisteredSchedule, ...]:
        """The schedules of the plugins in use."""
        active = {plugin.name for plugin in self.active}
        return tuple(item for item in self.schedules.values() if item.plugin.name in active)

    def provided(self, kind: type[ContributionT]) -> tuple[ContributionT, ...]:
        """Every contributed value of that type, in the order of plugin names."""
        return tuple(value for _, value in self.owned(kind))

    def owned(self, kind: type[ContributionT]) -> tuple[tuple[str, ContributionT], ...]:
        """The same, each value with the name of the plugin that brings it."""
        return tuple(
            (plugin.name, value)
            for plugin in self.active
            for value in plugin.provides
            if isinstance(value, kind)
        )

    def settings_of(self, plugin: str) -> BaseSettings | None:
        """The settings of a plugin, for a value it provides; None if it has none."""
        return self.settings.get(plugin)

    def version_of(self, plugin: str) -> str:
        """The version of the distribution that brings a loaded plugin; empty if none does."""
        named = [found for found in self.loaded if found.name == plugin]
        in_use = [found for found in named if found.plugin is not None]
        return next((found.version for found in in_use or named), "")

    def problem_of(self, plugin: str) -> Problem | None:
        """Why an installed plugin cannot be used now; None if it can, or is not installed."""
        named = [found for found in self.plugins if found.name == plugin]
        if any(found.status is PluginStatus.ACTIVE for found in named):
            return None  # another distribution claims the name, and had to give way
        in_use_first = sorted(named, key=lambda found: found.plugin is None)
        return next((item.problems[0] for item in in_use_first if item.status.is_broken), None)

    def require(self, plugin: str) -> None:
        """Refuse to work with a plugin that is out of use.

        Raises:
            PluginUnavailableError: it is installed and broken; the message says why, in words that
                everybody may read.
        """
        problem = self.problem_of(plugin)
        if problem is not None:
            raise PluginUnavailableError(
                f"The plugin {plugin!r} is out of use: {problem.reason}",
                recovery_actions=[
                    problem.remedy,
                    "Administrators see more at GET /api/plugins and with "
                    "`ticketgen plugins doctor`.",
                ],
            )

    def task(self, task_type: str) -> RegisteredTask:
        """The task of that name.

        Raises:
            PluginUnavailableError: the plugin that brings it is out of use.
            NotFoundError: no installed plugin brings it.
        """
        self.require(task_type.partition(".")[0])
        try:
            return self.tasks[task_type]
        except KeyError:
            known = ", ".join(self.tasks) or "none"
            raise NotFoundError(
                f"No installed plugin offers the task {task_type!r}.",
                recovery_actions=[f"Known tasks: {known}.", "See `ticketgen plugins`."],
            ) from None

    def _as_it_stands(self, found: FoundPlugin) -> FoundPlugin:
        problem = self.standing.problem_of(found.name)
        if problem is None or found.plugin is None:
            return found
        return replace(found, status=PluginStatus.FAILED, problems=(*found.problems, problem))


def load_registry(
    settings: Settings,
    entries: Iterable[EntryPoint] | None = None,
    *,
    given: Mapping[str, BaseSettings] | None = None,
    lazily: bool = False,
) -> Registry:
    """Find, check and freeze the installed plugins.

    `given` are settings of plugins, by name, which are then not read from the environment.
    `lazily` what they give by `Lazy` is neither imported nor checked: for a process that serves no
    routes.

    Raises:
        PluginFailureError: one of `required_plugins` failed, or any with `strict_plugins`.
    """
    registry = survey_registry(settings, entries, given=given, lazily=lazily)
    insist(registry.loaded, settings)
    return registry


def survey_registry(
    settings: Settings,
    entries: Iterable[EntryPoint] | None = None,
    *,
    given: Mapping[str, BaseSettings] | None = None,
    lazily: bool = False,
) -> Registry:
    """The same, whatever is broken: for commands that must work on a broken host."""
    found = find_plugins(installed_entry_points() if entries is None else entries, settings)
    loaded = [
        load_plugin(item, lazily=lazily) if item.status is PluginStatus.ACTIVE else item
        for item in found
    ]
    configured = [_with_settings(item, given or {}) for item in loaded]
    plugins = _combined([item for item, _ in configured], settings)
    own_settings = {
        item.name: value
        for item, value in configured
        if value is not None and any(p.name == item.name and p.plugin for p in plugins)
    }
    standing = Standing(spared=frozenset(settings.required_plugins))
    return _frozen(plugins, own_settings, standing)


def _with_settings(
    found: FoundPlugin, given: Mapping[str, BaseSettings]
) -> tuple[FoundPlugin, BaseSettings | None]:
    """Read a plugin's own settings; an invalid one disables this plugin only."""
    if found.name in given:
        return found, given[found.name]
    if found.plugin is None or found.plugin.settings is None:
        return found, None
    prefix = f"TICKETGEN_{found.name.upper()}_"
    try:
        return found, found.plugin.settings(_env_prefix=prefix)
    except ValidationError as error:
        fields = "; ".join(
            f"{prefix}{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        )
        problem = Problem(
            phase="settings", message=fields, remedy="Correct the environment variables named."
        )
        return found.failed(problem), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # no JSON, or whatever a validator of theirs raises
        remedy = f"Correct the environment variables that begin with {prefix}."
        return found.failed(raised("settings", error, remedy)), None


def _combined(plugins: list[FoundPlugin], settings: Settings) -> tuple[FoundPlugin, ...]:
    """Refuse plugins that claim one name: of a job, of a table, or of a value of one kind.

    Where one of them is a required plugin the others give way, so that no stranger can stop the
    host, or take the place of a part of it, by choosing a name. Otherwise all are refused; but of
    two where one has a table among the other's names, only that one.
    """
    owners: dict[str, list[str]] = {}
    for found in plugins:
        for claim in claimed_names(found.plugin) if found.plugin else ():
            owners.setdefault(claim, []).append(found.name)
    problems: dict[str, list[Problem]] = {}
    for claim, names in owners.items():
        if len(names) < 2:
            continue
        problem = Problem(
            phase="combine",
            message=f"the {claim} is claimed by {' and '.join(names)}",
            remedy="Their authors have to choose different names.",
        )
        required = [name for name in names if name in settings.required_plugins]
        for name in names:
            if len(required) != 1 or name not in required:
                problems.setdefault(name, []).append(problem)
    for name, owner, problem in _intrusions(plugins):
        stays = name in settings.required_plugins and owner not in settings.required_plugins
        problems.setdefault(owner if stays else name, []).append(problem)
    return tuple(
        found.failed(*problems[found.name]) if found.name in problems else found
        for found in plugins
    )


def _intrusions(plugins: list[FoundPlugin]) -> Iterator[tuple[str, str, Problem]]:
    """Who has a table that, by its name, is another's: `acme` one called `acme_labels_x`."""
    trees = {
        found.name: found.plugin.migrations
        for found in plugins
        if found.plugin is not None and found.plugin.migrations is not None
    }
    for name, migrations in trees.items():
        for table in sorted(migrations.metadata.tables):
            owner = owner_by_name(table, trees)
            if owner is not None and owner != name:
                yield (
                    name,
                    owner,
                    Problem(
                        phase="combine",
                        message=f"the table {table!r} of {name} is among the names of {owner}",
                        remedy=f"Uninstall {name} or {owner}, or have the table called otherwise: "
                        f"what begins with '{owner}_' is {owner}'s.",
                    ),
                )


def insist(plugins: Iterable[FoundPlugin], settings: Settings) -> None:
    """Refuse to go on without the plugins that an operator insists on.

    Raises:
        PluginFailureError: one of `required_plugins` is broken, or any with `strict_plugins`.
    """
    plugins = tuple(plugins)
    well = {found.name for found in plugins if found.status is PluginStatus.ACTIVE}
    required = set(settings.required_plugins) - well
    broken = [
        found
        for found in plugins
        if found.status.is_broken and (settings.strict_plugins or found.name in required)
    ]
    if broken:
        strict = settings.strict_plugins
        raise PluginFailureError(
            f"{'Plugins are' if strict else 'Required plugins are'} broken"
            f"{', and TICKETGEN_STRICT_PLUGINS is set' if strict else ''}: "
            + "; ".join(
                f"{found.name} ({found.distribution} {found.version}), {problem.phase}: "
                f"{problem.message}"
                for found in broken
                for problem in found.problems
            ),
            recovery_actions=[
                *dict.fromkeys(item.remedy for found in broken for item in found.problems),
                "Or start without it: unset TICKETGEN_STRICT_PLUGINS."
                if strict
                else "Or leave it out of TICKETGEN_REQUIRED_PLUGINS to start without it.",
                "`ticketgen plugins doctor` says more.",
            ],
        )


def _frozen(
    plugins: tuple[FoundPlugin, ...], settings: Mapping[str, BaseSettings], standing: Standing
) -> Registry:
    active = [found.plugin for found in plugins if found.plugin is not None]
    return Registry(
        loaded=plugins,
        tasks=MappingProxyType(
            {
                task.name: RegisteredTask(
                    task=task, plugin=plugin, settings=settings.get(plugin.name)
                )
                for plugin in active
                for task in plugin.tasks
            }
        ),
        schedules=MappingProxyType(
            {
                f"{plugin.name}.{schedule.name}": RegisteredSchedule(
                    name=f"{plugin.name}.{schedule.name}", schedule=schedule, plugin=plugin
                )
                for plugin in active
                for schedule in plugin.schedules
            }
        ),
        settings=MappingProxyType(dict(settings)),
        hooks=HookCaller({found.name: found.module for found in plugins if found.module}, standing),
        standing=standing,
    )
