"""Does several effects by one call to another system, each of them at most once.

The intentions are written together, the call is made for those that are nobody else's, and each
result is written for its own. What the call leaves open is an intention like any other: `done_once`
finds out what became of it, one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from ticketgen.domain.effects import Effect, EffectName, EffectState
from ticketgen.effects import (
    Attempt,
    EffectUnsettledError,
    OverdueError,
    as_json,
    check_name,
    lasting,
    surely_recorded,
    to_its_end,
    within,
)

__all__ = ["SharedDeed", "Together", "done_together"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class SharedDeed:
    """What is to be done by one call, for several keys."""

    plugin: str
    operation: str
    keys: Sequence[str]
    perform: Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
    """Gets the keys it is to do; what it answers for each is its result, or an error. A key whose
    error is one of `refused` has not been done; a key it does not answer for may have been."""
    refused: tuple[type[Exception], ...]
    timeout: timedelta

    def __post_init__(self) -> None:
        """Refuse what the ledger could not hold, before anything is done."""
        for name in self.names:
            check_name(name)
        if len(set(self.keys)) < len(self.keys):
            raise ValueError("the keys of effects done together must differ")
        if self.timeout <= timedelta(0):
            raise ValueError("the timeout of an effect must be longer than nothing")

    @property
    def names(self) -> list[EffectName]:
        """What each of them is known by."""
        return [
            EffectName(plugin=self.plugin, operation=self.operation, key=key) for key in self.keys
        ]


@dataclass(frozen=True, kw_only=True)
class Together:
    """What came of it."""

    done: Mapping[str, Any] = field(default_factory=dict)
    """The result of every key that is done, by this call or by any before it."""
    refused: Mapping[str, Exception] = field(default_factory=dict)
    """Why a key was not done."""


async def done_together(attempt: Attempt, deed: SharedDeed) -> Together:
    """What became of the keys; one that is in neither part is open, and for `done_once`.

    Raises:
        EffectUnsettledError: the call was not answered in time.
        RuntimeError: a transaction is open, which would wait for the other system.
    """
    with attempt.remote():
        pass  # before anything is written
    return await to_its_end(partial(_begin, attempt, deed))


async def _begin(attempt: Attempt, deed: SharedDeed, stopping: asyncio.Event) -> Together:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deed.timeout.total_seconds()
    found = await attempt.ledger.begin_all(deed.names, lasts=lasting(deed.timeout))
    done = {
        effect.key: effect.value
        for effect, own in found
        if not own and effect.state is EffectState.DONE
    }
    ours = {effect.key: effect for effect, own in found if own}
    if not ours:
        return Together(done=done)
    if stopping.is_set() or loop.time() >= deadline:
        await _withdraw(attempt, ours.values())
        if stopping.is_set():
            raise asyncio.CancelledError
        raise _unsettled(deed, "was not begun: there was no time left")
    answers = await _perform(attempt, deed, ours, deadline - loop.time())
    refused = {key: answer for key, answer in answers.items() if isinstance(answer, deed.refused)}
    results = {
        key: as_json(answer)
        for key, answer in answers.items()
        if key in ours and not isinstance(answer, BaseException)
    }
    recorded = await surely_recorded(
        partial(
            attempt.ledger.record_all,
            [(ours[key], value) for key, value in results.items()],
            [ours[key] for key in refused if key in ours],
        ),
        f"{deed.operation} {results!r}",
    )
    for key in results.keys() - recorded:
        _log.error("effect_overtaken", effect=f"{deed.operation} {key}", value=results[key])
    return Together(
        done={**done, **{key: results[key] for key in recorded}},
        refused={key: error for key, error in refused.items() if key in ours},
    )


async def _perform(
    attempt: Attempt, deed: SharedDeed, ours: Mapping[str, Effect], seconds: float
) -> Mapping[str, Any]:
    keys = [key for key in deed.keys if key in ours]
    try:
        with attempt.remote():
            return await within(lambda: deed.perform(keys), seconds)
    except OverdueError as error:
        raise _unsettled(deed, "was not answered in time") from error
    except deed.refused:
        await _withdraw(attempt, ours.values())
        raise


async def _withdraw(attempt: Attempt, intentions: Any) -> None:
    """Forget our intentions; if the database is away they stay, and are looked into later."""
    try:
        await attempt.ledger.record_all([], list(intentions))
    except Exception as error:
        _log.warning("effects_not_withdrawn", error=f"{type(error).__name__}: {error}")


def _unsettled(deed: SharedDeed, what: str) -> EffectUnsettledError:
    return EffectUnsettledError(
        f"The call for {deed.operation} of {len(deed.keys)} keys {what}.",
        recovery_actions=["Wait: the next try finds out what became of each, and goes on."],
    )
