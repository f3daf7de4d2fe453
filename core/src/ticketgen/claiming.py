"""Decides which queued jobs a worker takes, by one look at arq's queue that nobody can disturb.

arq reads the first hundred due jobs and claims them one by one; those that are in progress
elsewhere, or are none of this worker's business, stay at the head and hide the rest. Here one
script walks the queue as far as it must, and a job that is taken moves back in the queue by the
time it may take: it comes to the head again only if its worker has died.

All times are those of the Redis server; a worker's own clock decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix

__all__ = ["ClaimedJob", "JobClaims"]

_PAGE = 100
"""Job ids read at once. Measured: the time per id is the same from here up, and what is read
beyond the jobs that are taken is read for nothing."""

_HEAD_SECONDS = 2.0
"""Between two looks from the very head of the queue; see `JobClaims.claim`."""

_FROM_THE_HEAD = "-inf"

_WALK = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local served = {{}}
for i = 5, #ARGV do served[ARGV[i]] = true end

local function is_free(id)
    return served[string.match(id, '^[^:]*')]
        and redis.call('EXISTS', '{in_progress_key_prefix}' .. id) == 0
end

-- The ids that are free, as many as wanted, and the last id that was looked at.
local function walk(from, to, wanted)
    local free, last, seen = {{}}, nil, 0
    while #free < wanted do
        local page = redis.call('ZRANGEBYSCORE', KEYS[1], from, to, 'LIMIT', seen, ARGV[1])
        for _, id in ipairs(page) do
            last = id
            if is_free(id) then
                free[#free + 1] = id
                if #free == wanted then break end
            end
        end
        if #page < tonumber(ARGV[1]) then break end
        seen = seen + #page
    end
    return free, last
end
"""
"""Arguments: page size, three of each script's own, and the task types that are served."""

_CLAIM = f"""
{_WALK}
local from, wanted, timeout = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local free, last = walk(from, string.format('%.0f', now), wanted)
if last then from = redis.call('ZSCORE', KEYS[1], last) end
local answer = {{string.format('%.0f', now), from}}
for _, id in ipairs(free) do
    answer[#answer + 1] = id
    answer[#answer + 1] = redis.call('ZSCORE', KEYS[1], id)
    redis.call('SET', '{in_progress_key_prefix}' .. id, '1', 'PX', timeout)
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + timeout), id)
end
return answer
"""

_ANY_LEFT = f"""
{_WALK}
return #walk('-inf', '+inf', 1)
"""

_GIVE_BACK = f"""
local place = ARGV[2]
if ARGV[3] ~= '' then
    local time = redis.call('TIME')
    place = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3])
end
redis.call('ZADD', KEYS[1], 'XX', place, ARGV[1])
redis.call('DEL', '{in_progress_key_prefix}' .. ARGV[1])
"""


@dataclass(frozen=True, kw_only=True)
class ClaimedJob:
    """A job that is ours to run."""

    job_id: str
    place: int
    """Its score before it was taken: when it became due, in milliseconds."""


class JobClaims:
    """Takes jobs out of the head of one queue, and puts them back."""

    def __init__(self, redis: ArqRedis, *, queue_name: str, timeout: timedelta) -> None:
        self._queue_name = queue_name
        self._timeout_ms = int(timeout.total_seconds() * 1_000)
        self._claim = redis.register_script(_CLAIM)
        self._any_left = redis.register_script(_ANY_LEFT)
        self._give_back = redis.register_script(_GIVE_BACK)
        self._from: dict[frozenset[str], tuple[str, float]] = {}
        self.clock_lead = timedelta(0)
        """How far the server's clock was ahead of ours at the last claim."""

    async def claim(self, wanted: int, *, served: frozenset[str]) -> list[ClaimedJob]:
        """Take up to so many due jobs of these task types that nobody else has; the oldest first.

        With ten thousand jobs of other types in front, walking past them at every look would
        be the server's main work. So a look begins where the last one ended: what comes after is
        due later than what was seen. Every two seconds one begins at the head, for what was put
        back there.
        """
        begin, head_seen_at = self._from.get(served, (_FROM_THE_HEAD, 0.0))
        if time.monotonic() - head_seen_at > _HEAD_SECONDS:
            begin, head_seen_at = _FROM_THE_HEAD, time.monotonic()
        arguments: list[str | int] = [_PAGE, begin, wanted, self._timeout_ms, *sorted(served)]
        now, reached, *taken = await self._claim(keys=[self._queue_name], args=arguments)
        self._from[served] = reached.decode(), head_seen_at
        self.clock_lead = timedelta(seconds=int(now) / 1_000 - time.time())
        return [
            ClaimedJob(job_id=job_id.decode(), place=int(float(place)))
            for job_id, place in zip(taken[::2], taken[1::2], strict=True)
        ]

    async def give_back(self, job: ClaimedJob, *, after: timedelta | None = None) -> None:
        """Let somebody else have it: at its old place, or later; nothing if it has been removed."""
        delay = "" if after is None else str(int(after.total_seconds() * 1_000))
        self._from.clear()
        await self._give_back(keys=[self._queue_name], args=[job.job_id, job.place, delay])

    async def any_left(self, served: Collection[str]) -> bool:
        """Whether a job of these task types, due or not yet, waits for somebody to take it."""
        arguments: list[str | int] = [_PAGE, "", "", "", *sorted(served)]
        return bool(await self._any_left(keys=[self._queue_name], args=arguments))
