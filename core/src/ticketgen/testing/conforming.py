"""The conformance suite as one line of a test."""

from __future__ import annotations

import warnings

from ticketgen.checkup import (
    Weight,
    check_distribution,
    check_plugin,
    distribution_of,
)
from ticketgen.plugin import Plugin

__all__ = ["ConformanceWarning", "require_conforming"]


class ConformanceWarning(UserWarning):
    """A plugin works, and could be better; the text says where and how."""


def require_conforming(plugin: str | Plugin) -> None:
    """Check a distribution, or a plugin by its name or its value; advice alone becomes warnings.

    Raises:
        AssertionError: something has to change; the message says what, where and how.
        NotFoundError: nothing of that name is installed.
    """
    flaws = (
        check_plugin(plugin)
        if isinstance(plugin, Plugin)
        else check_distribution(distribution_of(plugin))
    )
    if any(flaw.weight is Weight.ERROR for flaw in flaws):
        raise AssertionError("\n".join(["the plugin does not conform", *map(str, flaws)]))
    for flaw in flaws:
        warnings.warn(str(flaw), ConformanceWarning, stacklevel=2)
