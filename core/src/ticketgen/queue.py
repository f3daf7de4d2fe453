"""Hands run ids to arq, and asks arq which of them it still knows; only ids travel.

The job id is `{task type}:{run id}:{delivery}`. A new delivery number per push keeps a job that
hangs between arq's claim and ours from blocking the next push; the task type in front lets a
worker see, without reading the job, whether it serves it. JSON on the wire, never pickle.

Only what is due is pushed, and its place in the queue is the time of the Redis server: no other
machine's clock has a say in when a job is seen.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from arq.connections import ArqRedis, RedisSettings
from arq.constants import (
    default_queue_name,
    expires_extra_ms,
    in_progress_key_prefix,
    job_key_prefix,
    retry_key_prefix,
)
from arq.jobs import serialize_job as serialize_arq_job
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ticketgen.errors import ConfigurationError, TemporaryError
from ticketgen.settings import Settings

__all__ = [
    "BoundedConnection",
    "Delivery",
    "JobWriter",
    "QueueUnavailableError",
    "RunQueue",
    "connect_arq",
    "connect_redis",
    "deserialize_job",
    "job_id_of",
    "redis_settings",
    "serialize_job",
]

_log = structlog.get_logger(__name__)

_CONNECT_SECONDS = 2.0
_COMMAND_SECONDS = 5.0
_CHUNK = 65_536

_BATCH = 1_000
"""Job ids in one command: some milliseconds of the server's time."""

_FIRST_MS = 24 * 3_600_000

_HIDDEN_MS = 5_000
"""A job that is due later than this has been hidden by a clock set back: pushes are due at once."""

_PUSH = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV, 3 do
    local id = ARGV[i]
    if redis.call('SET', '{job_key_prefix}' .. id, ARGV[i + 1], 'NX', 'PX', ARGV[1]) then
        redis.call('ZADD', KEYS[1], string.format('%.0f', now - ARGV[i + 2]), id)
    end
end
"""
"""What arq's `enqueue_job` does, for any number of jobs at once, and by one clock; no result is
looked for, since none is kept."""

_PUSHED_AT_ONCE = 1_000
"""Jobs in one command: some milliseconds of the server's time."""


class QueueUnavailableError(TemporaryError):
    """Redis cannot be reached; what was to be pushed is pushed later."""

    code = "queue_unavailable"


def serialize_job(job: dict[str, Any]) -> bytes:
    """One job as JSON; results and exceptions become text, since nobody reads them from Redis."""
    return json.dumps(job, default=str, separators=(",", ":")).encode()


def deserialize_job(raw: bytes) -> dict[str, Any]:
    """What `serialize_job` wrote."""
    job: dict[str, Any] = json.loads(raw)
    return job


def job_id_of(*, task_type: str, run_id: UUID, delivery: int) -> str:
    """The id the queue knows one push of a run by."""
    return f"{task_type}:{run_id}:{delivery}"


def _url(settings: Settings) -> str:
    if not settings.redis_url:
        raise ConfigurationError(
            "No Redis is configured.",
            recovery_actions=["Start `ticketgen up`, or set TICKETGEN_REDIS_URL."],
        )
    return settings.redis_url


def redis_settings(settings: Settings) -> RedisSettings:
    """What arq's own worker connects with.

    Raises:
        ConfigurationError: no Redis is configured, or its URL is none.
    """
    try:
        return RedisSettings.from_dsn(_url(settings))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"The Redis URL cannot be used: {error}") from None


class BoundedConnection(AbstractConnection):
    """Ends a late command with an error, and never loses a cancellation.

    With `socket_timeout` redis-py sends inside `asyncio.wait_for`, which until Python 3.12 drops
    a cancellation that comes in the moment in which what it waits for ends (python/cpython#86296):
    measured, one in twelve. To be removed with Python 3.11.
    """

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """Send, as redis-py does, within the limit."""
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                await super().send_packed_command(command, check_health)
        except TimeoutError as error:
            raise RedisTimeoutError("Redis did not take a command in time.") from error

    async def read_response(
        self, disable_decoding: bool = False, timeout: float | None = None, **options: Any
    ) -> Any:
        """Read one answer, as redis-py does, within the limit."""
        limit = _COMMAND_SECONDS if timeout is None else timeout
        return await super().read_response(disable_decoding, limit, **options)

    async def wait_for_bytes(self) -> None:
        """Come back when the server has sent something, whatever it was, which is dropped.

        Raises:
            ConnectionError: the connection has ended.
        """
        if self._reader is None or not await self._reader.read(_CHUNK):
            raise RedisConnectionError("Redis has closed the connection.")


class _Plain(BoundedConnection, Connection):
    pass


class _Encrypted(BoundedConnection, SSLConnection):
    pass


class _Local(BoundedConnection, UnixDomainSocketConnection):
    pass


_BOUNDED = {Connection: _Plain, SSLConnection: _Encrypted, UnixDomainSocketConnection: _Local}


def _pool(settings: Settings) -> ConnectionPool:
    try:
        pool = ConnectionPool.from_url(
            _url(settings), socket_connect_timeout=_CONNECT_SECONDS, health_check_interval=15
        )
        pool.connection_class = _BOUNDED[pool.connection_class]
        return pool
    except ValueError as error:
        raise ConfigurationError(
            f"The Redis URL cannot be used: {error}",
            recovery_actions=["Write it as redis://host:6379/0, rediss://… or unix:///path."],
        ) from None


def connect_redis(settings: Settings) -> Redis:
    """A client that connects at its first command; it answers late commands with an error."""
    return Redis.from_pool(_pool(settings))


def connect_arq(settings: Settings) -> ArqRedis:
    """The same for arq; arq's own would wait for a late answer without end."""
    return ArqRedis(_pool(settings), job_serializer=serialize_job, job_deserializer=deserialize_job)


class JobWriter:
    """Writes jobs as arq's workers read them, due at once by the clock of the Redis server."""

    def __init__(self, redis: ArqRedis, queue_name: str = default_queue_name) -> None:
        self._queue_name = queue_name
        self._push = redis.register_script(_PUSH)

    async def write(
        self, jobs: Mapping[str, tuple[str, tuple[str, ...]]], *, first: Collection[str] = ()
    ) -> None:
        """Enqueue jobs, by id: function name and arguments; all of a thousand or none of them.

        A job id that exists already is left alone. Those that are `first` go before all that is
        not, as if they had been due for a day.
        """
        # For log lines alone; nothing is decided by it.
        enqueued_at = time.time_ns() // 1_000_000
        left = iter(jobs.items())
        while some := list(islice(left, _PUSHED_AT_ONCE)):
            arguments: list[str | bytes | int] = [expires_extra_ms]
            for job_id, (function, args) in some:
                body = serialize_arq_job(
                    function, args, {}, None, enqueued_at, serializer=serialize_job
                )
                arguments += [job_id, body, _FIRST_MS if job_id in first else 0]
            await self._push(keys=[self._queue_name], args=arguments)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One push of one run."""

    run_id: UUID
    task_type: str
    delivery: int
    job_name: str
    first: bool = False
    """Whether it goes before others: what was begun once is not to wait behind what is new."""

    @property
    def job_id(self) -> str:
        """The id the queue knows it by."""
        return job_id_of(task_type=self.task_type, run_id=self.run_id, delivery=self.delivery)


class RunQueue:
    """The one door to arq's queue for everybody who is not a worker."""

    def __init__(self, settings: Settings) -> None:
        self._redis = connect_arq(settings)
        self._jobs = JobWriter(self._redis)

    async def push(self, *deliveries: Delivery) -> None:
        """Hand runs that are due to the workers.

        Raises:
            QueueUnavailableError: Redis did not take them all; they may have arrived all the same.
        """
        if not deliveries:
            return
        jobs = {d.job_id: (d.job_name, (str(d.run_id),)) for d in deliveries}
        with _reached("Redis did not take the runs"):
            await self._jobs.write(jobs, first={d.job_id for d in deliveries if d.first})

    async def absent(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those that no worker will come upon soon: not queued, hidden, or stuck in a claim.

        Asked about runs that are due and still to be claimed: one that is marked as in progress
        while its row is queued was lost between the worker's claim of the job and its claim of
        the run. One that is due in the future is hidden: the server's clock was set back.

        Raises:
            QueueUnavailableError: Redis did not answer.
        """
        absent: list[Delivery] = []
        for start in range(0, len(deliveries), _BATCH):
            absent += await self._absent(deliveries[start : start + _BATCH])
        return absent

    async def _absent(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        job_ids = [delivery.job_id for delivery in deliveries]
        with _reached("Redis did not answer"):
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.zmscore(default_queue_name, job_ids)
                pipe.mget([in_progress_key_prefix + job_id for job_id in job_ids])
                (seconds, _), scores, claims = await pipe.execute()
        latest = seconds * 1_000 + _HIDDEN_MS
        return [
            delivery
            for delivery, score, claim in zip(deliveries, scores, claims, strict=True)
            if score is None or score > latest or claim is not None
        ]

    async def withdraw(self, *job_ids: str) -> None:
        """Take jobs out of the queue, as far as Redis can be reached, for runs not to be run.

        One that is left in it does no harm: the worker that takes it finds nothing to claim.
        """
        try:
            with _reached("Redis did not answer"):
                for start in range(0, len(job_ids), _BATCH):
                    await self._withdraw(job_ids[start : start + _BATCH])
        except QueueUnavailableError as error:
            _log.warning("withdrawal_skipped", jobs=len(job_ids), error=error.message)

    async def _withdraw(self, job_ids: Sequence[str]) -> None:
        keys = [p + job_id for job_id in job_ids for p in (job_key_prefix, retry_key_prefix)]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(default_queue_name, *job_ids)
            pipe.delete(*keys)
            await pipe.execute()

    async def ping(self) -> None:
        """Ask whether Redis answers.

        Raises:
            QueueUnavailableError: it does not.
        """
        with _reached("Redis did not answer"):
            await self._redis.ping()

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose(close_connection_pool=True)


@contextmanager
def _reached(what_failed: str) -> Iterator[None]:
    """Turn everything that an unreachable Redis raises into one error."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise QueueUnavailableError(f"{what_failed}: {error}") from error
