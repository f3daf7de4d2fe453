"""What is kept of a channel: its newest message, and everything after a position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ticketgen.grouping import Grouping
from ticketgen.streams.parcels import Parcel, open_parcel
from ticketgen.streams.positions import BEGINNING, Position

__all__ = ["Kept", "KeptReader"]

_log = structlog.get_logger(__name__)

_BATCH = 32
"""Channels read by one round trip: with all of what is kept of each, some megabytes."""

_MOST = 1_200
"""More than is ever kept of a channel (about 1,000 messages)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What is kept of a channel, as far as a client at some position wants to know."""

    newest: Parcel | None = None
    entries: tuple[Parcel, ...] = ()
    """Everything after the position, in order; empty where it has lapsed."""
    at: Parcel | None = None
    """The message at the position itself, if it is still kept."""
    has_lapsed: bool = False
    """What came after the position is not kept whole, or is of another epoch."""


class KeptReader:
    """Reads what is kept, for any number of clients over one connection."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._grouping: Grouping[tuple[str, Position | None], Kept] = Grouping(
            self._read_all, most=_BATCH
        )

    async def read(self, channel: str, after: Position | None = None) -> Kept | None:
        """What is kept of the channel; None if Redis is away."""
        try:
            return await self._grouping.ask((channel, after))
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("kept_progress_unread", channel=channel, error=str(error))
            return None

    async def close(self) -> None:
        """Read nothing any more."""
        await self._grouping.close()

    async def _read_all(self, asked: Sequence[tuple[str, Position | None]]) -> Sequence[Kept]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for channel, after in asked:
                stream = f"{channel}:stream"
                pipeline.xrevrange(stream, count=1)
                if after is not None:
                    # From the position itself on: if it is there, nothing after it is missing.
                    pipeline.xrange(stream, min=f"{after.sequence}-0", count=_MOST)
            results = iter(await pipeline.execute(raise_on_error=True))
        return [
            _seen_from(after, next(results), next(results) if after is not None else ())
            for _, after in asked
        ]


def _seen_from(after: Position | None, newest: Any, entries: Any) -> Kept:
    last = next(iter(_parcels(newest)), None)
    if after is None:
        return Kept(newest=last)
    found = [
        parcel
        for parcel in _parcels(entries)
        if parcel.position is not None and after.epoch in {"", parcel.position.epoch}
    ]
    first = found[0].position if found else None
    if first is None and after == BEGINNING and last is None:
        return Kept()
    if first is None or first.sequence not in {after.sequence, after.sequence + 1}:
        return Kept(newest=last, has_lapsed=True)
    is_at = first.sequence == after.sequence
    news = found[1:] if is_at else found
    return Kept(newest=found[-1], entries=tuple(news), at=found[0] if is_at else None)


def _parcels(entries: Any) -> list[Parcel]:
    opened = (open_parcel(fields[b"message"]) for _, fields in entries)
    return [parcel for parcel in opened if parcel is not None]
