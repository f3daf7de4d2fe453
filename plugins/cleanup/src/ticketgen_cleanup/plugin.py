"""What the plugin contributes."""

from __future__ import annotations

from ticketgen import Plugin, hookimpl
from ticketgen_cleanup.keeping import SESSION_RETENTION
from ticketgen_cleanup.metrics import METRICS
from ticketgen_cleanup.service import CleanupService
from ticketgen_cleanup.settings import CleanupSettings
from ticketgen_cleanup.tasks import SCHEDULES, TASKS

__all__ = ["ticketgen_plugin"]


@hookimpl
def ticketgen_plugin() -> Plugin:
    """Three clean-ups, each on its schedule."""
    return Plugin(
        name="cleanup",
        summary="Deletes what has outlived its retention.",
        tasks=TASKS,
        schedules=SCHEDULES,
        service=CleanupService,
        settings=CleanupSettings,
        provides=(SESSION_RETENTION, *METRICS),
    )
