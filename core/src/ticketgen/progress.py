"""What a run says of itself while it works and when it ends, and how that is published.

The row is the truth and the stream a cache: a terminal state is committed first and published
after it, and whoever watches a stream also looks at the row (`streams/watch.py`), so no ending
is lost when Redis is.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from pydantic_core import to_json
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.progress_messages import TERMINAL_TYPES, ProgressMessage, channel_of

__all__ = [
    "TERMINAL_TYPES",
    "ProgressMessage",
    "Publisher",
    "bounded",
    "channel_of",
    "channel_of_run",
    "publish_completion",
    "publish_error",
    "publish_progress",
    "snapshot_message",
    "terminal_message",
]

_log = structlog.get_logger(__name__)

_KEPT_MESSAGES = 1_000

_LARGEST_PART = 16 * 1024
"""Bytes of `details`, of `result_summary` and of the texts of one message, each as JSON."""

_LONGEST_TEXT = 4_000
"""Characters of a sentence in a message; of the stage and of one recovery action fewer."""

_SHORTER_TEXT = 500

# KEYS: stream, meta, channel. ARGV: message, epoch to use for a new stream, seconds to keep,
# number of messages to keep, run id, attempt, whether it is an ending, the publisher's clock. The
# sequence is written into the message here, so that number, stream entry and published message can
# never disagree; and the fence is here, so that no late message of an attempt that was overtaken,
# or of a run that has ended, comes after what overtook it. The ending of a run is published once.
#
# An entry's id is its sequence, so that what follows a position is one XRANGE. Where the numbers do
# not fit what is kept (the meta is gone; the stream was written by a version with other ids), the
# stream is dropped and begins anew in another epoch. Four commands a message: the life of both keys
# is prolonged only when a quarter of it is over, and at an ending.
_PUBLISH = """
local run, attempt, ending = ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1'
local kept = redis.call('HMGET', KEYS[2], 'epoch', 'sequence', 'renewed', 'ended:' .. run,
                        'attempt:' .. run)
local fields = {}
if run ~= '' then
  if kept[4] then return 0 end
  local newest = tonumber(kept[5] or '0')
  if ending then
    fields = {'ended:' .. run, '1'}
  elseif attempt < newest then
    return 0
  elseif attempt > newest then
    fields = {'attempt:' .. run, ARGV[6]}
  end
end
local epoch, sequence, message = kept[1], tonumber(kept[2] or '0') + 1, nil
local function append()
  message = '{"epoch":"' .. epoch .. '","sequence":' .. string.format('%.0f', sequence) .. ','
            .. string.sub(ARGV[1], 2)
  return redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], string.format('%.0f-0', sequence),
                     'message', message)
end
local function begin()
  redis.call('DEL', KEYS[1])
  epoch, sequence = ARGV[2], 1
end
if not epoch then begin() end
local added = append()
if type(added) == 'table' and added.err and string.find(added.err, 'equal or smaller', 1, true) then
  begin()
  added = append()
end
if type(added) == 'table' and added.err then return added end
local now, keep = tonumber(ARGV[8]), tonumber(ARGV[3])
if ending or sequence == 1 or not kept[3] or math.abs(now - tonumber(kept[3])) * 4 > keep then
  fields[#fields + 1], fields[#fields + 2] = 'renewed', ARGV[8]
end
redis.call('HSET', KEYS[2], 'epoch', epoch, 'sequence', string.format('%.0f', sequence),
           unpack(fields))
if ending then redis.call('HDEL', KEYS[2], 'attempt:' .. run) end
if fields[#fields - 1] == 'renewed' then
  redis.call('EXPIRE', KEYS[1], keep)
  redis.call('EXPIRE', KEYS[2], keep)
end
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
        dropped: whoever overtook it has said more. One that is too large is published as `bounded`
        makes it.
        """
        keys, args = self._call(message)
        try:
            await self._script(keys=keys, args=args)
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("progress_unpublished", channel=keys[-1], error=str(error))
            return False
        return True

    async def publish_all(self, messages: Sequence[ProgressMessage]) -> bool:
        """Publish several, each as `publish` does, by one round trip; False if any was not taken.

        What was not taken may be published again: of an ending that was taken nothing is said
        twice.
        """
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for keys, args in map(self._call, messages):
                    await self._script(keys=keys, args=args, client=pipe)
                await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("progress_unpublished", messages=len(messages), error=str(error))
            return False
        return True

    def _call(self, message: ProgressMessage) -> tuple[list[str], list[str | int]]:
        """Keys and arguments of the script; the channel is the last key."""
        channel = channel_of(
            message.task_type, session_id=message.session_id, task_id=message.task_id
        )
        arguments: list[str | int] = [
            bounded(message).model_dump_json(exclude={"epoch", "sequence"}),
            secrets.token_hex(4),
            self._keep_seconds,
            _KEPT_MESSAGES,
            str(message.task_id or ""),
            message.attempt or 0,
            int(message.is_terminal),
            int(time.time()),
        ]
        return [f"{channel}:stream", f"{channel}:meta", channel], arguments

    async def last_message(self, channel: str) -> ProgressMessage | None:
        """The newest message of a channel that is still kept; None also if Redis is away."""
        try:
            entries = await self._redis.xrevrange(f"{channel}:stream", count=1)
        except (RedisError, OSError, TimeoutError):
            return None
        return ProgressMessage.model_validate_json(entries[0][1][b"message"]) if entries else None


def bounded(message: ProgressMessage) -> ProgressMessage:
    """The message, small enough for every subscriber: about 16 KiB a part.

    `details` and `result_summary` that are larger are left out, and `{"left_out": …}` says so; the
    row has them whole. Texts are cut.
    """
    changes: dict[str, Any] = {
        part: _left_out(size)
        for part in ("details", "result_summary")
        if (size := _json_size(getattr(message, part))) > _LARGEST_PART
    }
    for part, longest in (("user_message", _LONGEST_TEXT), ("current_stage", _SHORTER_TEXT)):
        text = getattr(message, part)
        if text is not None and len(text) > longest:
            changes[part] = _cut(text, longest)
    actions = message.recovery_actions or []
    if sum(map(len, actions)) > _LONGEST_TEXT:
        changes["recovery_actions"] = [_cut(action, _SHORTER_TEXT) for action in actions[:8]]
    return message.model_copy(update=changes) if changes else message


def _json_size(part: dict[str, Any] | None) -> int:
    return len(to_json(part, fallback=str)) if part else 0


def _left_out(size: int) -> dict[str, Any]:
    return {"left_out": f"{size} bytes; a message holds {_LARGEST_PART} of a part"}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


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
