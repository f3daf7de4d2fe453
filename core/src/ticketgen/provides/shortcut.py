"""The port through which a plugin puts one of its commands beside those of the host."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Shortcut"]


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """`ticketgen {name}` for `ticketgen {plugin} {command}`; the plugin brings `Commands` too.

    The host's commands and the plugins' names come first: one shortcut in all plugins may have a
    name, and none has one of theirs. To find it every plugin is loaded, so it is for what people
    type by hand. It works at the prompt, and is listed by `ticketgen {plugin} --help` only.
    """

    name: str
    """Lower-case letters, digits and hyphens."""
    command: str
    """A command of the plugin's group."""
