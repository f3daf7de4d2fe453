from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ticketgen import Caller, Subject, Task
from ticketgen.domain.sessions import Stage
from ticketgen.provides import CsvType, UploadInspector, Writer
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen_processing.plugin import ticketgen_plugin


def _generation() -> Task[Any, Any]:
    [task] = [task for task in ticketgen_plugin().tasks if task.name == "processing"]
    return task


def test_it_brings_tasks_that_owners_start_on_their_sessions() -> None:
    tasks = ticketgen_plugin().tasks

    assert [(task.name, task.job_name) for task in tasks] == [
        ("processing", "generate_tickets_job"),
        ("processing.check", "check_sheets_job"),
        ("processing.regenerate", "regenerate_ticket_job"),
    ]
    assert {(task.startable_by, task.subject) for task in tasks} == {
        (Caller.OWNER, Subject.SESSION)
    }


def test_the_task_moves_the_session_as_the_journey_says() -> None:
    task = _generation()

    assert task.stages is not None
    assert task.stages.on_start is Stage.PROCESSING
    assert task.stages.on_success is Stage.REVIEW
    assert task.stages.on_failure is Stage.UPLOAD
    assert Stage.COMPLETED not in task.stages.allowed


def test_a_temporary_failure_is_tried_four_times_in_all() -> None:
    task = _generation()

    assert task.retry.max_tries == 4
    assert (task.timeout, task.retry.base) == (None, None), "the host's settings decide"


def test_the_host_finds_its_types_its_writer_and_its_inspector(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    registry = load_registry(Settings(job_timeout=timedelta(minutes=1)))

    assert {"bundles", "fields", "views", "custom"} <= {
        item.name for item in registry.provided(CsvType)
    }
    assert "template" in [writer.name for writer in registry.provided(Writer)]
    assert [inspector.name for inspector in registry.provided(UploadInspector)] == ["csv"]


def test_every_error_has_a_code_of_the_plugin() -> None:
    codes = [error.code for error in ticketgen_plugin().errors]

    assert len(codes) == len(set(codes)) == 14
    assert all(code.startswith("processing.") for code in codes)
