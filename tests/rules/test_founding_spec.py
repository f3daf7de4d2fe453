"""Every name of the founding specification is here: as its own, as ours, or with a reason.

`OURS` maps a name of the specification to where it is found: a dotted path that is imported, with
the attribute after the colon. `INSTEAD` says of the others why they are not, and what does it.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

from ticketgen.api.app import create_app
from ticketgen.api.routes.health import Health
from ticketgen.domain.failures import Failure
from ticketgen.domain.task_runs import TaskRun
from ticketgen.errors import ErrorCategory
from ticketgen.plugin import RetryPolicy
from ticketgen.progress import ProgressMessage, channel_of
from ticketgen.registry import load_registry
from ticketgen.runtime import build_runtime
from ticketgen.settings import Settings, load_settings
from ticketgen.worker import build_worker_settings

OURS = {
    "ProgressMessage": "ticketgen.progress:ProgressMessage",
    "publish_progress": "ticketgen.progress:publish_progress",
    "publish_completion": "ticketgen.progress:publish_completion",
    "publish_error": "ticketgen.progress:publish_error",
    "record_job_failure": "ticketgen.domain.failures:record_failure",
    "session_repo.start_task": "ticketgen.starting:UnitOfWork.start",
    "session_repo.can_start_task": "ticketgen.domain.task_runs:find_active_run",
    "session_repo.fail_task": "ticketgen.domain.transitions:fail_run",
    "session_repo.cleanup_expired_sessions": "ticketgen.domain.sessions:delete_expired_sessions",
    "error_repo.create_error": "ticketgen.domain.failures:record_failure",
    "error_repo.cleanup_audit_logs": "ticketgen.domain.audit:delete_old_entries",
    "auth_repo.cleanup_expired_tokens": "ticketgen.domain.tokens:delete_expired_tokens",
    "SessionTask": "ticketgen.domain.task_runs:TaskRun",
    "SessionTask.retry_count": "ticketgen.domain.task_runs:TaskRun.retry_count",
    "SessionError": "ticketgen.domain.failures:Failure",
    "ProcessingError": "ticketgen.errors:TicketgenError",
    "ProcessingService": "ticketgen_processing.service:ProcessingService",
    "ProcessingService.generate_tickets": (
        "ticketgen_processing.service:ProcessingService.generate_tickets"
    ),
    "ProcessingService.execute_ticket_generation": (
        "ticketgen_processing.generating:execute_ticket_generation"
    ),
    "ProcessingStartResponse": "ticketgen.api.deps:TaskStarted",
    "ExportService": "ticketgen_export.service:ExportService",
    "ExportService.execute_session_export": "ticketgen_export.exporting:execute_session_export",
    "ReviewService": "ticketgen_adf_validation.service:AdfValidationService",
    "ReviewService.execute_adf_validation": (
        "ticketgen_adf_validation.service:execute_adf_validation"
    ),
    "progress_callback": "ticketgen:TaskContext.progress",
    "WorkerSettings": "ticketgen.worker:build_worker_settings",
    "get_redis_settings": "ticketgen.queue:redis_settings",
    "get_redis": "ticketgen.queue:connect_redis",
    "get_arq_pool": "ticketgen.queue:RunQueue",
    "enqueue_job": "ticketgen.queue:RunQueue.push",
    "get_processing_service": "ticketgen.api.deps:service",
    "processing_progress": "ticketgen.api.streaming.websocket:stream_session",
    "health_check": "ticketgen.api.routes.health:health",
    "worker_heartbeat": "ticketgen.leases:LeaseKeeper",
    "Settings": "ticketgen.settings:Settings",
    "app.main": "ticketgen.api.app:app_factory",
}

INSTEAD = {
    "LLMService.validate_connectivity": "a writer of a plugin is asked for when a run is started",
    "ARQ_MAX_TRIES": "the runner counts tries in the row; arq redelivers for as long as it takes",
    "Retry(defer=…)": "a temporary error is put back by the runner, with jitter, in the row",
    "SQLAlchemySessionRepository": "a noun's queries are functions of its module in the domain",
    "shutdown_arq_pool": "the runtime closes its connections itself, where it was opened",
    "datetime.utcnow": "naive; the database's clock, in UTC, is the only one",
    "aioredis": "the client is part of `redis` now",
}

JOBS = {"generate_tickets_job", "export_session_job", "validate_adf_job"}
SINCE = {"check_sheets_job", "regenerate_ticket_job"}
"""Jobs that the specification does not have."""

CLEAN_UPS = {"cleanup_expired_sessions", "cleanup_audit_logs", "cleanup_expired_tokens"}

MESSAGE_FIELDS = {
    "type",
    "session_id",
    "task_id",
    "task_type",
    "timestamp",
    "status",
    "progress_percentage",
    "current_stage",
    "details",
    "result_summary",
    "error_category",
    "user_message",
    "recovery_actions",
}

ERROR_COLUMNS = {
    "session_id",
    "error_category",
    "severity",
    "operation_stage",
    "user_message",
    "recovery_actions",
    "technical_details",
}

URLS: dict[str, Any] = {
    "database_url": "postgresql://db.invalid/ticketgen",
    "redis_url": "redis://redis.invalid",
}


def _resolve(path: str) -> Any:
    module, _, attributes = path.partition(":")
    value: Any = import_module(module)
    for attribute in attributes.split("."):
        value = getattr(value, attribute)
    return value


def _worker_settings(**changes: Any) -> Any:
    return build_worker_settings(Settings(**(URLS | changes)))


@pytest.mark.parametrize("name", OURS)
def test_a_name_of_the_specification_is_found(name: str) -> None:
    assert _resolve(OURS[name]) is not None


def test_no_name_is_both_here_and_replaced() -> None:
    assert set(OURS) & set(INSTEAD) == set()
    assert all(reason.strip() for reason in INSTEAD.values())


def test_a_progress_message_has_the_fields_of_the_specification() -> None:
    fields = set(ProgressMessage.model_fields)

    assert fields >= MESSAGE_FIELDS
    assert fields - MESSAGE_FIELDS == {"attempt", "epoch", "sequence"}, "additions are listed"


def test_the_channel_has_the_form_of_the_specification() -> None:
    session_id = _resolve("uuid:UUID")("550e8400-e29b-41d4-a716-446655440000")

    channels = [
        channel_of(task_type, session_id=session_id)
        for task_type in ("processing", "export", "adf_validation")
    ]

    assert channels == [
        "progress:550e8400-e29b-41d4-a716-446655440000:processing",
        "progress:550e8400-e29b-41d4-a716-446655440000:export",
        "progress:550e8400-e29b-41d4-a716-446655440000:adf_validation",
    ]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("publish_progress", {"session_id", "task_id", "task_type", "percentage", "stage"}),
        ("publish_completion", {"run"}),
        ("publish_error", {"run"}),
    ],
)
def test_what_is_published_is_told_by_its_names(function: str, arguments: set[str]) -> None:
    parameters = inspect.signature(_resolve(f"ticketgen.progress:{function}")).parameters

    assert arguments <= set(parameters)


def test_the_worker_has_the_jobs_of_the_specification() -> None:
    names = {function.name for function in _worker_settings().functions}

    assert names == JOBS | CLEAN_UPS | SINCE


def test_the_clean_ups_run_when_the_specification_says() -> None:
    jobs = _worker_settings().cron_jobs

    times = {job.name: (job.hour, job.minute) for job in jobs}

    assert times == {
        "schedule.cleanup.expired_sessions": ({8}, {0}),
        "schedule.cleanup.audit_logs": ({8}, {30}),
        "schedule.cleanup.expired_tokens": ({9}, {0}),
    }
    assert str(_worker_settings().timezone) == "UTC"


def test_the_worker_settings_have_the_attributes_of_the_specification() -> None:
    settings = _worker_settings(max_jobs=3, job_timeout=60)

    attributes = set(vars(settings))

    assert attributes >= {
        "functions",
        "cron_jobs",
        "on_startup",
        "on_shutdown",
        "redis_settings",
        "max_jobs",
        "job_timeout",
        "keep_result",
        "max_tries",
    }
    assert settings.max_jobs == 3
    assert settings.job_timeout == 60
    assert settings.redis_settings.host == "redis.invalid"


def test_a_temporary_failure_is_tried_four_times() -> None:
    assert RetryPolicy().max_tries == 4


@pytest.mark.parametrize(
    ("variable", "value", "field"),
    [
        ("DATABASE_URL", "postgresql://db/plain", "database_url"),
        ("REDIS_URL", "redis://localhost:6379/0", "redis_url"),
        ("ARQ_MAX_JOBS", "5", "max_jobs"),
        ("ARQ_JOB_TIMEOUT", "5", "job_timeout"),
        ("ARQ_KEEP_RESULT", "5", "keep_result"),
        ("ARQ_RETRY_DELAY", "5", "retry_delay"),
    ],
)
def test_an_environment_name_of_the_specification_is_read(
    clean_environment: pytest.MonkeyPatch, variable: str, value: str, field: str
) -> None:
    default = getattr(load_settings(), field)
    clean_environment.setenv(variable, value)

    assert getattr(load_settings(), field) != default


def test_health_answers_with_the_fields_of_the_specification() -> None:
    assert set(Health.model_fields) >= {"api", "worker", "worker_last_seen"}


def test_the_error_categories_are_those_of_the_specification() -> None:
    assert {str(item) for item in ErrorCategory} == {"user_fixable", "admin_required", "temporary"}


def test_a_failure_has_the_columns_of_the_specification() -> None:
    assert set(Failure.__table__.columns.keys()) >= ERROR_COLUMNS
    assert Failure.__tablename__ == "session_errors"
    assert TaskRun.__tablename__ == "session_tasks"


async def test_the_addresses_of_the_specification_are_there() -> None:
    runtime = build_runtime(Settings(**URLS))
    paths = set(create_app(runtime).openapi()["paths"])
    await runtime.close()

    assert paths >= {
        "/health",
        "/api/processing/generate-tickets/{session_id}",
        "/api/processing/status/{session_id}",
        "/api/export/session/{session_id}",
        "/api/export/status/{session_id}",
        "/api/adf_validation/start/{session_id}",
        "/api/adf_validation/status/{session_id}",
    }


def test_the_task_types_are_those_of_the_specification() -> None:
    tasks = load_registry(Settings()).tasks

    assert {"processing", "export", "adf_validation"} <= set(tasks)
    assert {registered.task.job_name for registered in tasks.values()} == (JOBS | CLEAN_UPS | SINCE)
