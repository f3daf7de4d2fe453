from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from ticketgen import Caller, Subject
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen_cleanup.plugin import ticketgen_plugin
from ticketgen_cleanup.settings import CleanupSettings


def test_the_schedules_are_those_of_the_specification_in_utc() -> None:
    plugin = ticketgen_plugin()

    assert {schedule.task: schedule.cron for schedule in plugin.schedules} == {
        "cleanup.expired_sessions": "0 8 * * *",
        "cleanup.audit_logs": "30 8 * * *",
        "cleanup.expired_tokens": "0 9 * * *",
    }


def test_the_job_functions_carry_the_names_of_the_specification() -> None:
    plugin = ticketgen_plugin()

    assert [task.job_name for task in plugin.tasks] == [
        "cleanup_expired_sessions",
        "cleanup_audit_logs",
        "cleanup_expired_tokens",
    ]


def test_only_schedules_and_administrators_may_clean_up() -> None:
    plugin = ticketgen_plugin()

    assert {task.startable_by for task in plugin.tasks} == {Caller.ADMIN}
    assert {task.subject for task in plugin.tasks} == {Subject.NONE}


def test_the_retentions_are_those_of_the_specification() -> None:
    settings = CleanupSettings()

    assert settings.session_retention == timedelta(days=7)
    assert settings.audit_retention == timedelta(days=90)
    assert settings.token_grace == timedelta(days=30)


@pytest.mark.parametrize("values", [{"batch_size": 0}, {"session_retention": "-1"}])
def test_settings_that_would_delete_for_ever_or_the_future_are_refused(
    values: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        CleanupSettings.model_validate(values)


def test_the_host_reads_the_retention_from_the_environment(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    clean_environment.setenv("TICKETGEN_CLEANUP_SESSION_RETENTION", "86400")

    registered = load_registry(Settings()).task("cleanup.expired_sessions")

    assert isinstance(registered.settings, CleanupSettings)
    assert registered.settings.session_retention == timedelta(days=1)
