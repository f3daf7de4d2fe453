"""Which of the loaded plugins this process has put out of use while it runs, and why.

What a registry found out when it was loaded never changes; what a plugin does later, at its
start-up or in its hooks, is kept here, for this process alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from ticketgen.conformance import Problem

__all__ = ["HOOK_PAUSE", "Standing"]

_log = structlog.get_logger(__name__)

HOOK_PAUSE = timedelta(minutes=5)
"""So long a plugin whose hooks fail is out of use before it is tried again."""

_FAILURES = 3
"""So many failures of a plugin's hooks in a row put it out of use."""


@dataclass(kw_only=True)
class Standing:
    """Notes what went wrong with plugins at run time; reads are safe in any thread."""

    clock: Callable[[], float] = time.monotonic
    spared: frozenset[str] = frozenset()
    """Plugins the host must not run without: failing hooks are noted, and never put them out."""
    _out: dict[str, tuple[Problem, float | None]] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    """By plugin, those in a row."""

    def put_out(self, plugin: str, problem: Problem, *, lasting: timedelta | None = None) -> None:
        """Take a plugin out of use, until the process ends or for so long."""
        until = None if lasting is None else self.clock() + lasting.total_seconds()
        _log.error("plugin_out_of_use", plugin=plugin, phase=problem.phase, why=problem.message)
        _, held_until = self._out.get(plugin, (None, 0.0))
        if held_until is not None:  # one that is out for good stays so, for its first reason
            self._out[plugin] = problem, until

    def problem_of(self, plugin: str) -> Problem | None:
        """Why a plugin is out of use now; None if it is not."""
        problem, until = self._out.get(plugin, (None, None))
        if problem is None or (until is not None and self.clock() >= until):
            return None
        return problem

    def note_hook_failure(self, plugin: str, problem: Problem) -> None:
        """Count a failure; the third in a row puts the plugin out of use for `HOOK_PAUSE`.

        It is tried again after that, and one more failure puts it out again.
        """
        in_a_row = self._failures[plugin] = self._failures.get(plugin, 0) + 1
        if in_a_row >= _FAILURES and plugin not in self.spared:
            self.put_out(plugin, problem, lasting=HOOK_PAUSE)

    def note_hook_answer(self, plugin: str) -> None:
        """Begin to count anew: a hook of the plugin has answered as it should."""
        self._failures.pop(plugin, None)

    def failing(self) -> dict[str, int]:
        """Plugins in use whose hooks fail so often that any other plugin would be out of use.

        With each the number of its failures in a row.
        """
        return {
            plugin: in_a_row
            for plugin, in_a_row in self._failures.copy().items()
            if in_a_row >= _FAILURES and plugin in self.spared
        }
