"""Lets runs live as planned: progress, perhaps a burst of it, and a real ending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from benchmarks.progress.plan import Life
from ticketgen.errors import InvalidInputError
from ticketgen.outcomes import Cancelled, Completed, Failed, Outcome

__all__ = ["live", "outcome_of"]

_SIDE_BY_SIDE = 20
"""Messages of a burst that are under way at once."""


async def live(
    life: Life,
    *,
    since: float,
    publish: Callable[[float], Awaitable[bool]],
    settle: Callable[[Outcome], Awaitable[object]],
) -> None:
    """Live it; `since` is the start of the batch by the loop's clock."""
    loop = asyncio.get_running_loop()
    burst_due = life.burst > 0
    for moment in _moments(life):
        await asyncio.sleep(max(0, since + moment - loop.time()))
        if burst_due and moment >= life.begins + life.lasts / 2:
            burst_due = False
            for _ in range(life.burst // _SIDE_BY_SIDE):
                await asyncio.gather(*(publish(50.0) for _ in range(_SIDE_BY_SIDE)))
        await publish(100 * (moment - life.begins) / life.lasts)
    await asyncio.sleep(max(0, since + life.ends - loop.time()))
    await settle(outcome_of(life))


def _moments(life: Life) -> Iterator[float]:
    """When it publishes: evenly, and at least once in the middle if it has a burst to make."""
    number = max(life.messages, 3 if life.burst else 0)
    for place in range(number):
        yield life.begins + life.lasts * (place + 1) / (number + 1)


def outcome_of(life: Life) -> Outcome:
    """What the run is settled with."""
    if life.outcome == "failed":
        return Failed(
            error=InvalidInputError(
                "The run was planned to fail.", recovery_actions=["Plan another one."]
            )
        )
    return Cancelled() if life.outcome == "cancelled" else Completed(summary={"parts": 1})
