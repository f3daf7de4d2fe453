"""Hands run ids to arq, and asks arq which of them it still knows; only ids travel.

The job id is `{task type}:{run id}:{delivery}`. A new delivery number per push keeps a job that
hangs between arq's claim and ours from blocking the next push; the task type in front lets a
worker see, without reading the job, whether it serves it. JSON on the wire, never pickle.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from arq.connections import ArqRedis, RedisSettings
from arq.constants import default_queue_name, in_progress_key_prefix
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError

from ticketgen.errors import ConfigurationError, TemporaryError
from ticketgen.settings import Settings

__all__ = [
    "Delivery",
    "QueueUnavailableError",
    "RunQueue",
    "connect_redis",
    "deserialize_job",
    "redis_settings",
    "serialize_job",
]

_CONNECT_SECONDS = 2.0
_COMMAND_SECONDS = 5.0


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


def _pool(settings: Settings) -> ConnectionPool:
    try:
        return ConnectionPool.from_url(
            _url(settings),
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_COMMAND_SECONDS,
            health_check_interval=15,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"The Redis URL cannot be used: {error}",
            recovery_actions=["Write it as redis://host:6379/0, rediss://… or unix:///path."],
        ) from None


def connect_redis(settings: Settings) -> Redis:
    """A client that connects at its first command; it answers late commands with an error."""
    return Redis.from_pool(_pool(settings))


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One push of one run."""

    run_id: UUID
    task_type: str
    delivery: int
    job_name: str
    available_at: datetime | None = None
    """Not before this time; None: at once."""

    @property
    def job_id(self) -> str:
        """The id the queue knows it by."""
        return f"{self.task_type}:{self.run_id}:{self.delivery}"


class RunQueue:
    """The one door to arq's queue for everybody who is not a worker."""

    def __init__(self, settings: Settings) -> None:
        self._redis = ArqRedis(
            _pool(settings), job_serializer=serialize_job, job_deserializer=deserialize_job
        )

    async def push(self, delivery: Delivery) -> None:
        """Hand one run to the workers.

        Raises:
            QueueUnavailableError: Redis did not take it; it may have arrived all the same.
        """
        try:
            await self._redis.enqueue_job(
                delivery.job_name,
                str(delivery.run_id),
                _job_id=delivery.job_id,
                _defer_until=delivery.available_at,
            )
        except (RedisError, OSError, TimeoutError) as error:
            raise QueueUnavailableError(f"Redis did not take the run: {error}") from error

    async def absent(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those that no worker will come upon: not queued, or stuck in arq's own claim.

        Asked about runs that are still to be claimed: one that arq marks as in progress while
        its row is queued was lost between arq's claim and ours.

        Raises:
            QueueUnavailableError: Redis did not answer.
        """
        if not deliveries:
            return []
        job_ids = [delivery.job_id for delivery in deliveries]
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.zmscore(default_queue_name, job_ids)
                for job_id in job_ids:
                    pipe.exists(in_progress_key_prefix + job_id)
                scores, *claimed = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise QueueUnavailableError(f"Redis did not answer: {error}") from error
        return [
            delivery
            for delivery, score, stuck in zip(deliveries, scores, claimed, strict=True)
            if score is None or stuck
        ]

    async def ping(self) -> None:
        """Ask whether Redis answers.

        Raises:
            QueueUnavailableError: it does not.
        """
        try:
            await self._redis.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise QueueUnavailableError(f"Redis did not answer: {error}") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose(close_connection_pool=True)
