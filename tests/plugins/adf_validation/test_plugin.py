from __future__ import annotations

from ticketgen import Caller
from ticketgen.domain.sessions import Stage
from ticketgen_adf_validation.plugin import ticketgen_plugin


def test_it_brings_one_task_that_owners_start_once_there_are_tickets() -> None:
    [task] = ticketgen_plugin().tasks

    assert (task.name, task.job_name) == ("adf_validation", "validate_adf_job")
    assert task.startable_by is Caller.OWNER
    assert task.stages is not None
    assert set(task.stages.allowed) == {Stage.REVIEW, Stage.JIRA_EXPORT}


def test_a_validation_moves_a_session_nowhere() -> None:
    [task] = ticketgen_plugin().tasks

    assert task.stages is not None
    assert task.stages.on_start is None
    assert task.stages.on_success is None
    assert task.stages.on_failure is None
