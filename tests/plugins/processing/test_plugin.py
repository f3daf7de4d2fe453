from __future__ import annotations

from datetime import timedelta

import pytest

from ticketgen import Caller, Subject
from ticketgen.domain.sessions import Stage
from ticketgen.provides import CsvType, UploadInspector, Writer
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen_processing.plugin import ticketgen_plugin


def test_it_brings_one_task_that_owners_start_on_their_sessions() -> None:
    [task] = ticketgen_plugin().tasks

    assert (task.name, task.job_name) == ("processing", "generate_tickets_job")
    assert (task.startable_by, task.subject) == (Caller.OWNER, Subject.SESSION)


def test_the_task_moves_the_session_as_the_journey_says() -> None:
    [task] = ticketgen_plugin().tasks

    assert task.stages is not None
    assert task.stages.on_start is Stage.PROCESSING
    assert task.stages.on_success is Stage.REVIEW
    assert task.stages.on_failure is Stage.UPLOAD
    assert Stage.COMPLETED not in task.stages.allowed


def test_a_temporary_failure_is_tried_four_times_in_all() -> None:
    [task] = ticketgen_plugin().tasks

    assert task.retry.max_tries == 4
    assert (task.timeout, task.retry.base) == (None, None), "the host's settings decide"


def test_the_host_finds_its_types_its_writer_and_its_inspector(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    registry = load_registry(Settings(job_timeout=timedelta(minutes=1)))

    assert {"bundles", "fields", "views", "custom"} <= {
        item.name for item in registry.provided(CsvType)
    }
    assert [writer.name for writer in registry.provided(Writer)] == ["template"]
    assert [inspector.name for inspector in registry.provided(UploadInspector)] == ["csv"]


def test_every_error_has_a_code_of_the_plugin() -> None:
    codes = [error.code for error in ticketgen_plugin().errors]

    assert len(codes) == len(set(codes)) == 5
    assert all(code.startswith("processing.") for code in codes)
