"""What a plugin's schedules may not say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.core import lab
from ticketgen import Exclusivity, Overlap, Schedule, Subject, Task
from ticketgen.conformance import check_plugin

NIGHTLY = Schedule(name="nightly", task="lab", cron="30 8 * * *")


class NeedsTelling(lab.Note):
    count: int


def _messages(*schedules: Schedule, task: Task[Any, Any] | None = None) -> list[str]:
    plugin = lab.lab_plugin(task or lab.task(), schedules=schedules)
    problems = check_plugin(plugin, name="lab")
    assert all(problem.remedy for problem in problems)
    return [problem.message for problem in problems]


def test_a_schedule_that_keeps_the_contract_has_no_problem() -> None:
    assert _messages(NIGHTLY, replace(NIGHTLY, name="by_day", zone="Europe/Berlin")) == []


@pytest.mark.parametrize("task", ["export", "lab.absent"])
def test_a_schedule_starts_a_task_of_its_own_plugin(task: str) -> None:
    (message,) = _messages(replace(NIGHTLY, task=task))

    assert message == f"schedule 'nightly' starts {task!r}, no task of this plugin"


def test_a_schedule_starts_no_task_that_needs_a_session() -> None:
    (message,) = _messages(NIGHTLY, task=lab.task(subject=Subject.SESSION))

    assert message.endswith("which needs a session")


def test_a_schedule_starts_no_task_that_has_to_be_told_something() -> None:
    (message,) = _messages(NIGHTLY, task=replace(lab.task(), request=NeedsTelling))

    assert message.endswith("whose request has no defaults")


def test_a_schedules_name_is_there_once() -> None:
    messages = _messages(NIGHTLY, replace(NIGHTLY, cron="0 9 * * *"))

    assert messages == ["schedule 'nightly' is there twice"]


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "daily",
        "* * * *",
        "61 * * * *",
        "0 0 * * * *",
        "@hourly",
        "R 8 * * *",
        "r(0-30) 8 * * *",
        "H 8 * * *",
        f"{','.join(['0'] * 101)} 8 * * *",
    ],
)
def test_a_schedule_has_five_fields_that_mean_a_time(cron: str) -> None:
    (message,) = _messages(replace(NIGHTLY, cron=cron))

    assert message == f"schedule 'nightly' has no valid cron expression: {cron!r}"


@pytest.mark.parametrize("cron", ["0 8 * mar *", "0 8 * * thu,fri", "0 8 L * *", "0 8 * * fri#2"])
def test_names_and_places_of_days_are_fine(cron: str) -> None:
    assert _messages(replace(NIGHTLY, cron=cron)) == []


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "0 * 31 2,4,6,9,11 *"])
def test_a_schedule_fires_some_day(cron: str) -> None:
    (message,) = _messages(replace(NIGHTLY, cron=cron))

    assert message == f"schedule 'nightly' never fires: no date matches {cron!r}"


@pytest.mark.parametrize("zone", ["", "Europe", "Europe/Bonn", "+02:00", "localtime"])
def test_a_schedules_zone_is_one_of_the_database(zone: str) -> None:
    (message,) = _messages(replace(NIGHTLY, zone=zone))

    assert message == f"schedule 'nightly' names no zone of the IANA database: {zone!r}"


@pytest.mark.parametrize("name", ["", "Nightly", "every night", "1st", "n" * 50])
def test_a_schedules_name_is_a_plain_one(name: str) -> None:
    (message,) = _messages(replace(NIGHTLY, name=name))

    assert message == f"{name!r} is no valid name of a schedule"


def test_runs_overlap_only_where_any_number_may_be_active() -> None:
    overlapping = replace(NIGHTLY, overlap=Overlap.ALLOW)

    (message,) = _messages(overlapping)
    free = _messages(overlapping, task=lab.task(exclusivity=Exclusivity.NONE))

    assert message.endswith("lets runs of 'lab' overlap, of which only one may be active")
    assert free == []


def test_a_grace_is_not_negative() -> None:
    none = _messages(replace(NIGHTLY, misfire_grace=timedelta(0)))
    (message,) = _messages(replace(NIGHTLY, misfire_grace=timedelta(seconds=-1)))

    assert none == []
    assert message == "misfire_grace of schedule 'nightly' is negative"


@pytest.mark.parametrize(
    ("field", "value", "kinds"),
    [
        ("name", ["nightly"], "list, not str"),
        ("task", None, "NoneType, not str"),
        ("cron", None, "NoneType, not str"),
        ("summary", 1, "int, not str"),
        ("zone", None, "NoneType, not str"),
        ("overlap", "wait", "str, not Overlap"),
        ("misfire", "once", "str, not Misfire"),
        ("misfire_grace", 60, "int, not timedelta"),
    ],
)
def test_what_a_schedule_holds_is_of_its_type(field: str, value: object, kinds: str) -> None:
    wrong: dict[str, Any] = {field: value}

    (message,) = _messages(NIGHTLY, replace(NIGHTLY, **wrong))

    assert message.startswith(f"{field} of schedule ")
    assert message.endswith(kinds)
