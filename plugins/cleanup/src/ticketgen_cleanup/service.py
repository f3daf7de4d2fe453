"""Deleting what has outlived its retention, batch by batch, each in a short transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import StartedRun, Starter, TaskContext
from ticketgen.domain import audit, secrets, sessions, tokens
from ticketgen_cleanup.settings import CleanupSettings

__all__ = [
    "CleanupService",
    "delete_audit_logs",
    "delete_expired_secrets",
    "delete_expired_sessions",
    "delete_expired_tokens",
]


class CleanupService:
    """Starts clean-ups out of their schedule."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    async def clean_up(self) -> list[StartedRun]:
        """Start all three clean-ups."""
        return [
            await self._starter.start(f"cleanup.{kind}")
            for kind in ("expired_sessions", "audit_logs", "expired_tokens")
        ]


def _settings(ctx: TaskContext) -> CleanupSettings:
    assert isinstance(ctx.settings, CleanupSettings)  # noqa: S101 - the host read them
    return ctx.settings


async def _in_batches(
    ctx: TaskContext, delete: Callable[[AsyncSession], Awaitable[int]], *, size: int
) -> int:
    """Delete until a batch comes back short; how many went."""
    total = 0
    while True:
        async with ctx.transaction() as db:
            deleted = await delete(db)
        total += deleted
        await ctx.progress(50, "Deleting", deleted=total)
        if deleted < size:
            return total


async def delete_expired_sessions(ctx: TaskContext) -> int:
    """Delete sessions untouched for the retention and not completed; how many went."""
    settings = _settings(ctx)

    async def delete(db: AsyncSession) -> int:
        gone = await sessions.delete_expired_sessions(
            db, retention=settings.session_retention, limit=settings.batch_size
        )
        for session_id in gone:
            audit.record(db, "session.expired", session_id=session_id, subject=session_id)
        return len(gone)

    return await _in_batches(ctx, delete, size=settings.batch_size)


async def delete_audit_logs(ctx: TaskContext) -> int:
    """Delete audit entries older than the retention; how many went."""
    settings = _settings(ctx)

    async def delete(db: AsyncSession) -> int:
        return await audit.delete_old_entries(
            db, retention=settings.audit_retention, limit=settings.batch_size
        )

    return await _in_batches(ctx, delete, size=settings.batch_size)


async def delete_expired_tokens(ctx: TaskContext) -> int:
    """Delete tokens that ended longer ago than the grace; how many went."""
    settings = _settings(ctx)

    async def delete(db: AsyncSession) -> int:
        return await tokens.delete_expired_tokens(
            db, grace=settings.token_grace, limit=settings.batch_size
        )

    return await _in_batches(ctx, delete, size=settings.batch_size)


async def delete_expired_secrets(ctx: TaskContext) -> int:
    """Delete secrets of other systems that expired longer ago than the grace; how many went."""
    settings = _settings(ctx)

    async def delete(db: AsyncSession) -> int:
        return await secrets.delete_expired_secrets(
            db, grace=settings.token_grace, limit=settings.batch_size
        )

    return await _in_batches(ctx, delete, size=settings.batch_size)
