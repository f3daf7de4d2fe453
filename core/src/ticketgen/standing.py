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

__all__ = ["Standing"]

_log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Standing:
    """Notes what went wrong with plugins at run time; reads are safe in any thread."""

    clock: Callable[[], float] = time.monotonic
    _out: dict[str, tuple[Problem, float | None]] = field(default_factory=dict)

    def put_out(self, plugin: str, problem: Problem, *, lasting: timedelta | None = None) -> None:
        """Take a plugin out of use, until the process ends or for so long."""
        until = None if lasting is None else self.clock() + lasting.total_seconds()
        self._out[plugin] = problem, until
        _log.error("plugin_out_of_use", plugin=plugin, phase=problem.phase, why=problem.message)

    def problem_of(self, plugin: str) -> Problem | None:
        """Why a plugin is out of use now; None if it is not."""
        problem, until = self._out.get(plugin, (None, None))
        if problem is None or (until is not None and self.clock() >= until):
            return None
        return problem
