"""What an attempt comes to: what its handler returned or raised, and whether it is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from ticketgen.diagnosis import diagnose
from ticketgen.domain.redelivery import UNREADABLE
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.errors import ErrorCategory, TemporaryError, TicketgenError
from ticketgen.outcomes import Completed, Failed, Outcome, Parked
from ticketgen.plugin import RetryPolicy
from ticketgen.settings import Settings
from ticketgen.storable import storable

__all__ = ["next_try", "outcome_of", "outcome_of_stopped", "retry_delay", "unreadable_payload"]


async def outcome_of(work: Callable[[], Awaitable[BaseModel | Mapping[str, Any]]]) -> Outcome:
    """What the work of a handler comes to; an exception counts as what `diagnose` takes it for.

    Raises:
        StaleAttemptError: the attempt counts no more.
        asyncio.CancelledError: it was told to stop.
    """
    try:
        return Completed(summary=_summary(await work()))
    except StaleAttemptError:
        raise
    except (Exception, SystemExit) as error:
        return Failed(error=diagnose(error))


def outcome_of_stopped(handler: asyncio.Task[Outcome], told: Outcome | None) -> Outcome:
    """What came of the handler: a result counts, even one that came after it was told to stop.

    Raises:
        StaleAttemptError: it found that the attempt counts no more.
    """
    if not handler.done() or handler.cancelled():
        return told or Failed(error=diagnose(asyncio.CancelledError()))
    outcome = handler.result()
    return outcome if told is None or isinstance(outcome, Completed | Parked) else told


def unreadable_payload(plugin: str, version: str, error: ValidationError) -> Parked:
    """What a run comes to whose stored payload this version of its plugin cannot read."""
    return Parked(
        reason={
            "code": UNREADABLE,
            "message": f"{plugin} {version} cannot read the stored payload "
            f"({_first_problem(error)}); a worker with another version may.",
            "version": version,
        }
    )


def next_try(
    policy: RetryPolicy,
    settings: Settings,
    *,
    tries: int,
    error: TicketgenError,
    randomness: random.Random,
) -> timedelta | None:
    """How long to wait before the next try; None if the failure is the end of the run."""
    if error.category is not ErrorCategory.TEMPORARY or tries >= policy.max_tries:
        return None
    return retry_delay(policy, settings, tries=tries, error=error, randomness=randomness)


def retry_delay(
    policy: RetryPolicy,
    settings: Settings,
    *,
    tries: int,
    error: TicketgenError,
    randomness: random.Random,
) -> timedelta:
    """How long to wait before the next try: full jitter under an exponential ceiling.

    Never less than the error's `retry_after`, as far as `retry_after_limit` lets it ask. `tries`
    counts the tries so far, from 1.
    """
    base = policy.base if policy.base is not None else settings.retry_delay
    limit = policy.limit if policy.limit is not None else settings.retry_delay_limit
    ceiling = min(limit, base * float(2 ** min(tries - 1, 20)))
    delay = ceiling * randomness.random()
    asked = error.retry_after if isinstance(error, TemporaryError) else None
    return max(delay, min(asked, settings.retry_after_limit)) if asked is not None else delay


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}: {first['msg']}" if field else str(first["msg"])


def _summary(returned: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    plain = returned.model_dump(mode="json") if isinstance(returned, BaseModel) else dict(returned)
    summary: dict[str, Any] = storable(plain)
    return summary
