"""Decides which queued jobs a worker takes, by one look at arq's queue that nobody can disturb.

arq reads the first hundred due jobs and claims them one by one; those that are in progress
elsewhere, or are none of this worker's business, stay at the head and hide the rest. Here one
script walks the queue as far as it must, and a job that is taken moves back in the queue by the
time it may take: it comes to the head again only if its worker has died.

All times are those of the Redis server; a worker's own clock decides nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix

__all__ = ["ClaimedJob", "JobClaims"]

_REMEMBERED_MS = 60_000
"""So long a job that is done cannot be enqueued again, where that is asked for."""

_PAGE = 100
"""Job ids read at once. Measured: the time per id is the same from here up, and what is read
beyond the jobs that are taken is read for nothing."""

_HEAD_SECONDS = 2.0
"""Between two looks from the very head of a queue that is full of others' jobs; see
`JobClaims.claim`."""

_FROM_THE_HEAD = "-inf"

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# ARGV: page size, where to begin, how many are wanted, milliseconds a claim lasts, how many jobs
# are done, how many of them are remembered, their ids, those first; the task types that are served.
# Answer: the time, where to begin the next time, how many were passed by, when the first job
# comes due that is not due yet (empty if none was seen), and id and place of each job taken.
_CLAIM = f"""
{_NOW}
local page_size, from, wanted = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local timeout, done, remembered = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
if done > 0 then
    local ids, keys = {{}}, {{}}
    for i = 1, done do
        local id = ARGV[6 + i]
        ids[i] = id
        keys[#keys + 1] = '{in_progress_key_prefix}' .. id
        keys[#keys + 1] = '{retry_key_prefix}' .. id
        if i > remembered then
            keys[#keys + 1] = '{job_key_prefix}' .. id
        else
            redis.call('PEXPIRE', '{job_key_prefix}' .. id, {_REMEMBERED_MS})
        end
    end
    redis.call('ZREM', KEYS[1], unpack(ids))
    redis.call('DEL', unpack(keys))
end
local served = {{}}
for i = 7 + done, #ARGV do served[ARGV[i]] = true end
local taken, passed, seen, next_due, last = {{}}, 0, 0, '', from
while #taken < 2 * wanted do
    local size = math.min(page_size, math.max(wanted, 10) + seen)
    local page = redis.call(
        'ZRANGEBYSCORE', KEYS[1], from, '+inf', 'WITHSCORES', 'LIMIT', seen, size)
    for i = 1, #page, 2 do
        local id, place = page[i], page[i + 1]
        if tonumber(place) > now then
            next_due = place
            break
        end
        last = place
        if served[string.match(id, '^[^:]*')]
            and redis.call('SET', '{in_progress_key_prefix}' .. id, '1', 'NX', 'PX', timeout) then
            redis.call('ZADD', KEYS[1], string.format('%.0f', now + timeout), id)
            taken[#taken + 1] = id
            taken[#taken + 1] = place
            if #taken == 2 * wanted then break end
        else
            passed, seen = passed + 1, seen + 1
        end
    end
    if next_due ~= '' or #page < 2 * size then break end
end
return {{string.format('%.0f', now), last, passed, next_due, unpack(taken)}}
"""

_ANY_LEFT = f"""
local served, seen = {{}}, 0
for i = 2, #ARGV do served[ARGV[i]] = true end
while true do
    local page = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'LIMIT', seen, ARGV[1])
    for _, id in ipairs(page) do
        if served[string.match(id, '^[^:]*')]
            and redis.call('EXISTS', '{in_progress_key_prefix}' .. id) == 0 then return 1 end
    end
    if #page < tonumber(ARGV[1]) then return 0 end
    seen = seen + #page
end
"""

_GIVE_BACK = f"""
local place = ARGV[2]
if ARGV[3] ~= '' then
    {_NOW}
    place = string.format('%.0f', now + ARGV[3])
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
    """Takes jobs out of the head of one queue, puts them back, and removes what is done."""

    def __init__(self, redis: ArqRedis, *, queue_name: str, timeout: timedelta) -> None:
        self._queue_name = queue_name
        self._timeout_ms = int(timeout.total_seconds() * 1_000)
        self._claim = redis.register_script(_CLAIM)
        self._any_left = redis.register_script(_ANY_LEFT)
        self._give_back = redis.register_script(_GIVE_BACK)
        self._from: dict[frozenset[str], tuple[str, float]] = {}
        self.clock_lead = timedelta(0)
        """How far the server's clock was ahead of ours at the last claim."""
        self.next_due = math.inf
        """Seconds from the last claim in which another look is worth while, if nothing changes."""

    async def claim(
        self,
        wanted: int,
        *,
        served: frozenset[str],
        done: Sequence[str] = (),
        remembered: Sequence[str] = (),
    ) -> list[ClaimedJob]:
        """Take up to so many due jobs of these task types that nobody else has; the oldest first.

        In the same call the jobs that are `done` are removed, whatever becomes of the rest. So are
        those that are `remembered`; but they cannot be enqueued again for a minute, by a worker
        that is late with what many of them enqueue.

        With ten thousand jobs of other types in front, walking past them at every look would
        be the server's main work. So where many were passed by, a look begins where the last one
        ended: what comes after is due later than what was seen. Every two seconds one begins at
        the head, for what was put back there.
        """
        begin, head_seen_at = self._from.pop(served, (_FROM_THE_HEAD, 0.0))
        if time.monotonic() - head_seen_at > _HEAD_SECONDS:
            begin, head_seen_at = _FROM_THE_HEAD, time.monotonic()
        ended = [*remembered, *done]
        arguments: list[str | int] = [
            *(_PAGE, begin, wanted, self._timeout_ms, len(ended), len(remembered)),
            *ended,
            *sorted(served),
        ]
        answer = await self._claim(keys=[self._queue_name], args=arguments)
        now, reached, passed, next_due, *taken = answer
        if begin != _FROM_THE_HEAD or passed >= _PAGE:
            self._from[served] = reached.decode(), head_seen_at
        self._plan(int(now), next_due, from_the_head=served not in self._from)
        return [
            ClaimedJob(job_id=job_id.decode(), place=int(float(place)))
            for job_id, place in zip(taken[::2], taken[1::2], strict=True)
        ]

    def _plan(self, now: int, next_due: bytes, *, from_the_head: bool) -> None:
        self.clock_lead = timedelta(seconds=now / 1_000 - time.time())
        self.next_due = (float(next_due) - now) / 1_000 if next_due else math.inf
        if not from_the_head:
            self.next_due = min(self.next_due, _HEAD_SECONDS)

    async def give_back(self, job: ClaimedJob, *, after: timedelta | None = None) -> None:
        """Let somebody else have it: at its old place, or later; nothing if it has been removed."""
        delay = "" if after is None else str(int(after.total_seconds() * 1_000))
        self._from.clear()
        await self._give_back(keys=[self._queue_name], args=[job.job_id, job.place, delay])

    async def any_left(self, served: Collection[str]) -> bool:
        """Whether a job of these task types, due or not yet, waits for somebody to take it."""
        arguments: list[str | int] = [_PAGE, *sorted(served)]
        return bool(await self._any_left(keys=[self._queue_name], args=arguments))
