"""A value of a plugin that only those processes import that need it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from typing import Generic, TypeVar

__all__ = ["Lazy", "loaded"]

ValueT = TypeVar("ValueT")
ValueT_co = TypeVar("ValueT_co", covariant=True)

_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Lazy(Generic[ValueT_co]):
    """A value by the names of its module and its own: `Lazy("acme_labels.api:router")`.

    It stands where a plugin would give a router or a command group that only the API, or only a
    command, has a use for. A worker never imports it, nor what it is made with. Everybody else
    imports it while loading the plugin, and what it raises then is a failure of the plugin.
    """

    target: str
    """`module:name`."""

    @property
    def is_readable(self) -> bool:
        """Whether the target names a module and something in it."""
        return isinstance(self.target, str) and _TARGET.fullmatch(self.target) is not None

    def load(self) -> ValueT_co:
        """Import the value.

        Raises:
            AttributeError: the module has nothing of that name.
            TypeError: what it has is None.
            ValueError: the target is not `module:name`.
            BaseException: whatever the module raises while it is imported.
        """
        if not self.is_readable:
            raise ValueError(f"{self.target!r} is not `module:name`")
        module, _, name = self.target.partition(":")
        value: ValueT_co | None = attrgetter(name)(import_module(module))
        if value is None:
            raise TypeError(f"{self.target} is None")
        return value


def loaded(value: ValueT | Lazy[ValueT]) -> ValueT:
    """The value itself, imported if it was given by name; raises as `Lazy.load` does."""
    return value.load() if isinstance(value, Lazy) else value
