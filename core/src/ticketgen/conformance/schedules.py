"""Whether the schedules of a plugin fire, and start what can be started by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from croniter import croniter

from ticketgen.conformance.names import NAME
from ticketgen.conformance.problem import Problem, problem
from ticketgen.conformance.shape import field_problems
from ticketgen.conformance.tasks import repeated
from ticketgen.cron_times import is_zone, next_fire_times
from ticketgen.plugin import Exclusivity, Misfire, Overlap, Plugin, Schedule, Subject

__all__ = ["schedule_problems"]

_FIELDS: Mapping[str, type] = {
    "name": str,
    "task": str,
    "cron": str,
    "summary": str,
    "zone": str,
    "overlap": Overlap,
    "misfire": Misfire,
    "misfire_grace": timedelta,
}

_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""An expression that matches no date after it matches none at all."""


def schedule_problems(plugin: Plugin) -> Iterator[Problem]:
    """What is wrong with the schedules, each by itself and together."""
    readable: list[Schedule] = []
    for schedule in plugin.schedules:
        wrong = list(field_problems(schedule, f"schedule {schedule.name!r}", _FIELDS))
        yield from wrong
        readable += [] if wrong else [schedule]
    for name in repeated(schedule.name for schedule in readable):
        yield problem(f"schedule {name!r} is there twice", "Name each schedule once.")
    for schedule in readable:
        yield from _start_problems(plugin, schedule)
        yield from _time_problems(schedule)


def _start_problems(plugin: Plugin, schedule: Schedule) -> Iterator[Problem]:
    if not NAME.fullmatch(schedule.name):
        yield problem(
            f"{schedule.name!r} is no valid name of a schedule",
            "Use lower-case letters, digits and underscores, beginning with a letter.",
        )
    task = {task.name: task for task in plugin.tasks}.get(schedule.task)
    if task is None:
        yield problem(
            f"schedule {schedule.name!r} starts {schedule.task!r}, no task of this plugin",
            "Schedule tasks of the same plugin only.",
        )
        return
    if task.subject is not Subject.NONE:
        yield problem(
            f"schedule {schedule.name!r} starts {schedule.task!r}, which needs a session",
            "Give the task Subject.NONE.",
        )
    elif _needs_telling(task.request):
        yield problem(
            f"schedule {schedule.name!r} starts {schedule.task!r}, whose request has no defaults",
            "Give every field of the request a default.",
        )
    if schedule.overlap is Overlap.ALLOW and task.exclusivity is not Exclusivity.NONE:
        yield problem(
            f"schedule {schedule.name!r} lets runs of {schedule.task!r} overlap, of which only "
            "one may be active",
            "Give the task Exclusivity.NONE, or the schedule Overlap.SKIP or Overlap.WAIT.",
        )


def _time_problems(schedule: Schedule) -> Iterator[Problem]:
    cron = schedule.cron
    # croniter reads a lone R as a time of its own choice, another at each look.
    choosing = re.search(r"\b[hr]\b", cron, re.IGNORECASE)
    if len(cron.split()) != 5 or len(cron) > 200 or choosing or not croniter.is_valid(cron):
        yield problem(
            f"schedule {schedule.name!r} has no valid cron expression: {cron!r}",
            "Write minute, hour, day of month, month, day of week, like '30 8 * * *'.",
        )
    elif not next_fire_times(cron, "UTC", after=_ANY_DAY, count=1):
        yield problem(
            f"schedule {schedule.name!r} never fires: no date matches {cron!r}",
            "Choose a day that the month has.",
        )
    if not is_zone(schedule.zone):
        yield problem(
            f"schedule {schedule.name!r} names no zone of the IANA database: {schedule.zone!r}",
            "Write a zone like 'Europe/Berlin', or 'UTC'.",
        )
    if schedule.misfire_grace < timedelta(0):
        yield problem(
            f"misfire_grace of schedule {schedule.name!r} is negative",
            "Give a duration of zero or more.",
        )


def _needs_telling(request: object) -> bool:
    fields = getattr(request, "model_fields", {})
    return any(field.is_required() for field in fields.values())
