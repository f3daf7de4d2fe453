"""What a run says of itself while it works and when it ends, and how that is published.

The row is the truth and the stream a cache: a terminal state is committed first and published
after it, and whoever watches a stream also looks at the row (`api/websocket.py`), so no ending
is lost when Redis is.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.progress_messages import TERMINAL_TYPES, ProgressMessage, channel_of

__all__ = [
    "TERMINAL_TYPES",
    "ProgressMessage",
    "Publisher",
    "channel_of",
    "channel_of_run",
    "publish_cancellation",
    "publish_completion",
    "publish_ending",
    "publish_error",
    "publish_progress",
    "snapshot_message",
    "terminal_message",
]

_log = structlog.get_logger(__name__)

_KEPT_MESSAGES = 1_000

# KEYS: stream, meta, channel. ARGV: message, epoch to use for a new stream, seconds to keep,
# number of messages to keep, run id, attempt, whether it is an ending. The sequence is written
# into the message here, so that number, stream entry and published message can never disagree;
# and the fence is here, so that no late message of an attempt that was overtaken, or of a run
# that has ended, comes after what overtook it. The ending of a run is published once.
_PUBLISH = """
if ARGV[5] ~= '' then
  if redis.call('HEXISTS', KEYS[2], 'ended:' .. ARGV[5]) == 1 then return 0 end
  local newest = tonumber(redis.call('HGET', KEYS[2], 'attempt:' .. ARGV[5]) or '0')
  if ARGV[7] == '1' then
    redis.call('HSET', KEYS[2], 'ended:' .. ARGV[5], '1')
    redis.call('HDEL', KEYS[2], 'attempt:' .. ARGV[5])
  elseif tonumber(ARGV[6]) < newest then
    return 0
  elseif tonumber(ARGV[6]) > newest then
    redis.call('HSET', KEYS[2], 'attempt:' .. ARGV[5], ARGV[6])
  end
end
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch then
  epoch = ARGV[2]
  redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local sequence = redis.call('HINCRBY', KEYS[2], 'sequence', 1)
local head = '{"epoch":"' .. epoch .. '","sequence":' .. sequence .. ','
local message = head .. string.sub(ARGV[1], 2)
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'message', message)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', KEYS[3], message)
return sequence
"""


def channel_of_run(run: TaskRun) -> str:
    """The channel a run's messages go to."""
    return channel_of(run.task_type, session_id=run.session_id, task_id=run.id)


class Publisher:
    """Puts messages on their channels, numbered and kept for whoever comes late."""

    def __init__(self, redis: Redis, *, keep: timedelta) -> None:
        self._redis = redis
        self._keep_seconds = max(60, int(keep.total_seconds()))
        self._script = redis.register_script(_PUBLISH)

    async def publish(self, message: ProgressMessage) -> bool:
        """Publish one message; False if Redis did not take it, which is logged, never raised.

        A message of an attempt that was overtaken, or of a run whose ending was published, is
        dropped: whoever overtook it has said more.
        """
        channel = channel_of(
            message.task_type, session_id=message.session_id, task_id=message.task_id
        )
        body = message.model_dump_json(exclude={"epoch", "sequence"})
        try:
            await self._script(
                keys=[f"{channel}:stream", f"{channel}:meta", channel],
                args=[
                    body,
                    secrets.token_hex(4),
                    self._keep_seconds,
                    _KEPT_MESSAGES,
                    str(message.task_id or ""),
                    message.attempt or 0,
                    int(message.is_terminal),
                ],
            )
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("progress_unpublished", channel=channel, error=str(error))
            return False
        return True

    async def last_message(self, channel: str) -> ProgressMessage | None:
        """The newest message of a channel that is still kept; None also if Redis is away."""
        try:
            entries = await self._redis.xrevrange(f"{channel}:stream", count=1)
        except (RedisError, OSError, TimeoutError):
            return None
        return ProgressMessage.model_validate_json(entries[0][1][b"message"]) if entries else None


def _identity(run: TaskRun) -> dict[str, Any]:
    return {
        "session_id": run.session_id,
        "task_id": run.id,
        "task_type": run.task_type,
        "attempt": run.attempt,
        "status": run.status,
    }


async def publish_progress(
    publisher: Publisher,
    *,
    session_id: UUID | None,
    task_id: UUID,
    task_type: str,
    percentage: float,
    stage: str,
    details: Mapping[str, Any] | None = None,
    attempt: int | None = None,
) -> bool:
    """Publish how far a run is, at once and however often (`ctx.progress` holds back)."""
    return await publisher.publish(
        ProgressMessage(
            type="progress",
            session_id=session_id,
            task_id=task_id,
            task_type=task_type,
            timestamp=datetime.now(UTC),
            status="processing",
            progress_percentage=percentage,
            current_stage=stage,
            details=dict(details or {}),
            attempt=attempt,
        )
    )


async def publish_completion(publisher: Publisher, run: TaskRun) -> bool:
    """Publish that a run has completed, with its result summary."""
    return await publisher.publish(terminal_message(run))


async def publish_error(publisher: Publisher, run: TaskRun) -> bool:
    """Publish that a run has failed: category, message, recovery actions."""
    return await publisher.publish(terminal_message(run))


async def publish_cancellation(publisher: Publisher, run: TaskRun) -> bool:
    """Publish that a run was cancelled."""
    return await publisher.publish(terminal_message(run))


async def publish_ending(publisher: Publisher, run: TaskRun) -> bool:
    """Publish how a settled run has ended; False if Redis did not take it."""
    publish = {
        RunState.COMPLETED: publish_completion,
        RunState.FAILED: publish_error,
        RunState.CANCELLED: publish_cancellation,
    }
    return await publish[RunState(run.state)](publisher, run)


def terminal_message(run: TaskRun) -> ProgressMessage:
    """The last message of a settled run; made from the row, so it can be made again any time."""
    error = run.error or {}
    kind: dict[RunState, Literal["completed", "error", "cancelled"]] = {
        RunState.COMPLETED: "completed",
        RunState.FAILED: "error",
        RunState.CANCELLED: "cancelled",
    }
    completed = run.state is RunState.COMPLETED
    return ProgressMessage(
        type=kind[RunState(run.state)],
        timestamp=run.finished_at or datetime.now(UTC),
        progress_percentage=100.0 if completed else None,
        result_summary=run.result_summary if completed else None,
        error_category=None if completed else error.get("error_category"),
        user_message=None if completed else error.get("user_message"),
        recovery_actions=None if completed else error.get("recovery_actions"),
        **_identity(run),
    )


def snapshot_message(
    run: TaskRun | None,
    last: ProgressMessage | None,
    *,
    task_type: str,
    session_id: UUID | None,
) -> ProgressMessage:
    """What a client gets on attach: the row's state, and the last progress that was published.

    Of a run that nobody can take at present it says why nothing moves: as its stage, and in
    `details.parked`.
    """
    if run is None:
        return ProgressMessage(
            type="snapshot",
            session_id=session_id,
            task_id=None,
            task_type=task_type,
            timestamp=datetime.now(UTC),
            status="not_started",
        )
    stored = run.progress or {}
    fresh = last if last is not None and last.task_id == run.id and not last.is_terminal else None
    stage = fresh.current_stage if fresh else stored.get("stage")
    details = fresh.details if fresh else stored.get("details")
    if run.parked is not None:
        stage, details = run.parked.get("message"), {**(details or {}), "parked": run.parked}
    return ProgressMessage(
        type="snapshot",
        timestamp=datetime.now(UTC),
        progress_percentage=fresh.progress_percentage if fresh else stored.get("percentage", 0.0),
        current_stage=stage,
        details=details,
        epoch=last.epoch if last else None,
        sequence=last.sequence if last else None,
        **_identity(run),
    )
