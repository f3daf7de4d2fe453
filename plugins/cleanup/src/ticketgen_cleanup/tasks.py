"""Three clean-ups and when they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ticketgen import (
    Caller,
    Exclusivity,
    NoRequest,
    Schedule,
    StartContext,
    Subject,
    Task,
    TaskContext,
)
from ticketgen_cleanup.schemas import CleanupPayload
from ticketgen_cleanup.service import (
    delete_audit_logs,
    delete_expired_secrets,
    delete_expired_sessions,
    delete_expired_tokens,
)

__all__ = ["SCHEDULES", "TASKS"]


async def _prepare(start: StartContext, request: NoRequest) -> CleanupPayload:
    return CleanupPayload()


async def clean_sessions(ctx: TaskContext, payload: CleanupPayload) -> dict[str, Any]:
    """Delete expired sessions."""
    return {"deleted_sessions": await delete_expired_sessions(ctx)}


async def clean_audit_logs(ctx: TaskContext, payload: CleanupPayload) -> dict[str, Any]:
    """Delete old audit entries."""
    return {"deleted_audit_logs": await delete_audit_logs(ctx)}


async def clean_tokens(ctx: TaskContext, payload: CleanupPayload) -> dict[str, Any]:
    """Delete tokens that have ended, our own and those of other systems."""
    return {
        "deleted_tokens": await delete_expired_tokens(ctx),
        "deleted_secrets": await delete_expired_secrets(ctx),
    }


def _task(
    kind: str,
    summary: str,
    job_name: str,
    handler: Callable[[TaskContext, CleanupPayload], Awaitable[dict[str, Any]]],
) -> Task[NoRequest, CleanupPayload]:
    return Task(
        name=f"cleanup.{kind}",
        summary=summary,
        request=NoRequest,
        payload=CleanupPayload,
        prepare=_prepare,
        handler=handler,
        job_name=job_name,
        subject=Subject.NONE,
        startable_by=Caller.ADMIN,
        exclusivity=Exclusivity.TYPE,
    )


TASKS = (
    _task(
        "expired_sessions",
        "Delete sessions older than a week that are not completed.",
        "cleanup_expired_sessions",
        clean_sessions,
    ),
    _task(
        "audit_logs",
        "Delete audit entries older than 90 days.",
        "cleanup_audit_logs",
        clean_audit_logs,
    ),
    _task(
        "expired_tokens",
        "Delete tokens and other systems' secrets that ended more than 30 days ago.",
        "cleanup_expired_tokens",
        clean_tokens,
    ),
)

SCHEDULES = (
    Schedule(
        name="expired_sessions",
        task="cleanup.expired_sessions",
        cron="0 8 * * *",
        summary="Sessions that are kept no longer, every morning.",
    ),
    Schedule(
        name="audit_logs",
        task="cleanup.audit_logs",
        cron="30 8 * * *",
        summary="Old audit entries, half an hour later.",
    ),
    Schedule(
        name="expired_tokens",
        task="cleanup.expired_tokens",
        cron="0 9 * * *",
        summary="Tokens of no more use, another half an hour later.",
    ),
)
