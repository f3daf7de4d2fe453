"""A registry of plugins that exist as values only: checked like installed ones, without files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import ModuleType

from pydantic_settings import BaseSettings

from ticketgen.errors import ConfigurationError
from ticketgen.plugin import ENTRY_POINT_GROUP, Plugin, hookimpl
from ticketgen.registry import Registry, load_registry
from ticketgen.settings import Settings

__all__ = ["registry_of"]


def registry_of(
    settings: Settings, *plugins: Plugin, given: Mapping[str, BaseSettings] | None = None
) -> Registry:
    """The registry of a host on which exactly these plugins are installed.

    `given` are settings of plugins, by name, which are then not read from the environment.

    Raises:
        ConfigurationError: one of them would be refused; the message says why.
    """
    registry = load_registry(settings, entries=[_ready(plugin) for plugin in plugins], given=given)
    problems = [problem.message for found in registry.plugins for problem in found.problems]
    if problems:
        raise ConfigurationError("; ".join(problems))
    return registry


class _ReadyEntryPoint(EntryPoint):
    """An entry point whose module is there already."""

    def load(self) -> ModuleType:
        module: ModuleType = vars(self)["module_in_hand"]
        return module


def _ready(plugin: Plugin) -> EntryPoint:
    module = ModuleType(f"plugin_in_hand_{plugin.name}")

    @hookimpl
    def ticketgen_plugin() -> Plugin:
        return plugin

    vars(module)["ticketgen_plugin"] = ticketgen_plugin
    entry = _ReadyEntryPoint(plugin.name, module.__name__, ENTRY_POINT_GROUP)
    vars(entry)["module_in_hand"] = module
    return entry
