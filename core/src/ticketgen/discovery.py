"""Which plugins are installed, and what happens when each is imported by itself.

pluggy's own entry-point loader stops at the first plugin that raises and drops a second
distribution of the same name in silence; so every entry point is loaded here, in its own `try`.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import TypeGuard

import pluggy

from ticketgen.conformance import Problem, check_identity, check_plugin, raised
from ticketgen.lazy import Lazy, loaded
from ticketgen.plugin import ENTRY_POINT_GROUP, Hooks, Plugin
from ticketgen.provides import Commands
from ticketgen.settings import Settings

__all__ = ["FoundPlugin", "PluginStatus", "find_plugins", "installed_entry_points", "load_plugin"]


class PluginStatus(StrEnum):
    """What became of an installed plugin."""

    ACTIVE = "active"
    DISABLED = "disabled"
    """Shut out by a setting; not imported."""
    INCOMPATIBLE = "incompatible"
    """Made for another version of the contract."""
    FAILED = "failed"
    """Broken; its problems say in which phase and how."""

    @property
    def is_broken(self) -> bool:
        """Whether somebody has to look after the plugin."""
        return self in {PluginStatus.INCOMPATIBLE, PluginStatus.FAILED}


@dataclass(frozen=True, kw_only=True)
class FoundPlugin:
    """One installed plugin: where it comes from, what became of it, and why."""

    name: str
    distribution: str
    version: str
    status: PluginStatus
    entry_point: EntryPoint = field(repr=False)
    problems: tuple[Problem, ...] = ()
    plugin: Plugin | None = None
    module: ModuleType | None = field(default=None, repr=False)

    def failed(self, *problems: Problem) -> FoundPlugin:
        """The same plugin, out of use for these reasons besides those it had."""
        return replace(
            self,
            status=PluginStatus.FAILED,
            problems=self.problems + problems,
            plugin=None,
            module=None,
        )


def installed_entry_points() -> list[EntryPoint]:
    """The entry points of all installed plugins, each distribution's once."""
    seen = {
        (_owner(entry)[0], entry.name, entry.value): entry
        for entry in entry_points(group=ENTRY_POINT_GROUP)
    }
    return [seen[key] for key in sorted(seen)]


def find_plugins(entries: Iterable[EntryPoint], settings: Settings) -> list[FoundPlugin]:
    """Decide from the metadata alone, before anything is imported, what is to be loaded.

    Two distributions that claim one name are both refused: which of them would win depends on
    the file system, and the one that loses would vanish in silence. Only the name of a required
    plugin stays with its own distribution, `ticketgen-{name}`: nobody is to stop the host, or to
    take the place of a part of it, by choosing a name.
    """
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for entry in entries:
        by_name[entry.name].append(entry)
    found: list[FoundPlugin] = []
    for name in sorted(by_name):
        claims = [_admitted(_described(entry), settings) for entry in by_name[name]]
        found += claims if len(claims) == 1 else _settled(claims, settings)
    return found


def _settled(claims: list[FoundPlugin], settings: Settings) -> list[FoundPlugin]:
    """What becomes of several claims to one name."""
    name = claims[0].name
    owners = " and ".join(claim.distribution for claim in claims)
    problem = Problem(
        phase="find",
        message=f"the name {name!r} is claimed by {owners}",
        remedy=f"Uninstall all but one of {owners}.",
    )
    rightful = [claim for claim in claims if _is_own(claim) and name in settings.required_plugins]
    return [
        claim
        if claim.status is not PluginStatus.ACTIVE or rightful == [claim]
        else claim.failed(problem)
        for claim in claims
    ]


def _is_own(claim: FoundPlugin) -> bool:
    """Whether its distribution is the one that the name stands for."""
    return re.sub(r"[-_.]+", "_", claim.distribution).lower() == f"ticketgen_{claim.name}"


def _owner(entry: EntryPoint) -> tuple[str, str]:
    """Name and version of its distribution; one that is half removed may have neither."""
    metadata = entry.dist.metadata if entry.dist else None
    if metadata is None:
        return "?", "?"
    name, version = ((metadata.get_all(key) or ["?"])[0] for key in ("Name", "Version"))
    return name, version


def _described(entry: EntryPoint) -> FoundPlugin:
    distribution, version = _owner(entry)
    return FoundPlugin(
        name=entry.name,
        distribution=distribution,
        version=version,
        status=PluginStatus.ACTIVE,
        entry_point=entry,
    )


def _admitted(claim: FoundPlugin, settings: Settings) -> FoundPlugin:
    if claim.name in settings.blocked_plugins:
        setting = "TICKETGEN_BLOCKED_PLUGINS names it"
    elif settings.allowed_plugins and claim.name not in settings.allowed_plugins:
        setting = "TICKETGEN_ALLOWED_PLUGINS does not name it"
    elif settings.safe_mode and claim.name not in settings.required_plugins:
        setting = "in safe mode (TICKETGEN_SAFE_MODE) only required plugins are loaded"
    else:
        problems = check_identity(claim.name)
        return claim.failed(*problems) if problems else claim
    problem = Problem(phase="find", message=setting, remedy="Change that setting to load it.")
    return replace(claim, status=PluginStatus.DISABLED, problems=(problem,))


def load_plugin(found: FoundPlugin, *, lazily: bool = False) -> FoundPlugin:
    """Import one plugin, ask it for its value, check that; never raises for what it does.

    What it gives by `Lazy` is imported and checked, too; `lazily` it is left as it is.

    `SystemExit` on import is caught like any other failure, only Ctrl-C is not. What cannot be
    caught is an import that never returns: plugins run in the host's process, with all its
    rights.
    """
    try:
        module = found.entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return found.failed(
            raised("import", error, f"Reinstall {found.distribution}, or uninstall it.")
        )
    if not isinstance(module, ModuleType):
        return found.failed(
            Problem(
                phase="import",
                message=f"the entry point names {type(module).__name__}, not a module",
                remedy="Let the entry point name the module that implements ticketgen_plugin.",
            )
        )
    # Looking at a module runs its `__dir__`, looking at a value its descriptors: whatever these
    # raise counts as the plugin's failure, too.
    phase = "hooks"
    try:
        problems = _hook_problems(module, found.name)
        if problems:
            return found.failed(*problems)
        phase = "register"
        plugin = module.ticketgen_plugin()
        if not lazily and isinstance(plugin, Plugin):
            phase = "import"
            plugin = _completed(plugin)
        phase = "check"
        problems = check_plugin(plugin, name=found.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return found.failed(raised(phase, error, "Its author has to mend ticketgen_plugin."))
    if not problems:
        return replace(found, plugin=plugin, module=module)
    refused = found.failed(*problems)
    if any(problem.phase == "contract" for problem in problems):
        return replace(refused, status=PluginStatus.INCOMPATIBLE)
    return refused


def _completed(plugin: Plugin) -> Plugin:
    """The same value with everything imported that it gives by `Lazy`."""
    routers = {
        role: router.load()
        for role in ("router", "public_router")
        if isinstance(router := getattr(plugin, role), Lazy) and router.is_readable
    }
    provides = plugin.provides
    if isinstance(provides, tuple) and any(map(_is_lazy, provides)):
        provides = tuple(
            replace(value, app=loaded(value.app)) if _is_lazy(value) else value
            for value in provides
        )
    return replace(plugin, provides=provides, **routers)


def _is_lazy(value: object) -> TypeGuard[Commands]:
    """Whether it is a value that can be imported."""
    return isinstance(value, Commands) and isinstance(value.app, Lazy) and value.app.is_readable


def _hook_problems(module: ModuleType, name: str) -> list[Problem]:
    """Whether every marked function is a hook we have, with arguments it has."""
    manager = pluggy.PluginManager("ticketgen")
    manager.add_hookspecs(Hooks)
    remedy = "Its author has to compare its hooks with ticketgen.plugin.Hooks."
    try:
        manager.register(module, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        return [Problem(phase="hooks", message=str(error), remedy=remedy)]
    if not manager.hook.ticketgen_plugin.get_hookimpls():
        message = "the module implements no ticketgen_plugin (is it marked with @hookimpl?)"
        return [Problem(phase="hooks", message=message, remedy=remedy)]
    return [
        Problem(phase="hooks", message=problem, remedy=remedy)
        for caller in manager.get_hookcallers(module) or ()
        for implementation in caller.get_hookimpls()
        if (problem := _shape_problem(caller.name, implementation)) is not None
    ]


def _shape_problem(hook: str, implementation: pluggy.HookImpl) -> str | None:
    """The host awaits every hook but the first by itself: no wrappers, no plain functions."""
    if implementation.wrapper or implementation.hookwrapper:
        return f"{hook} is a wrapper; the host calls plain implementations only"
    is_async = inspect.iscoroutinefunction(implementation.function)
    if hook == "ticketgen_plugin":
        return "ticketgen_plugin is `async def`; it has to be plain `def`" if is_async else None
    return None if is_async else f"{hook} is no `async def` function"
