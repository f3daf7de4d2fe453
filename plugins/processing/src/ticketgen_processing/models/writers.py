"""The writers `openai` and `anthropic`: a language model for the words of a ticket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from ticketgen.provides import Brief, OpenWriter, Writer, WriterHealth, WritingEstimate
from ticketgen_processing.errors import WriterNotSetUpError
from ticketgen_processing.models.access import access_of, load, require_set_up
from ticketgen_processing.models.estimates import estimate_of
from ticketgen_processing.models.prompting import PROMPT_VERSION

__all__ = ["MODEL_WRITERS"]

_CHECKED_WITHIN = 9.0
"""Seconds; a start waits no longer than 15."""


def _writer(name: str, summary: str) -> Writer:
    return Writer(
        name=name,
        summary=summary,
        open=_opening(name),
        paid=True,
        check=partial(_check, name),
        estimate=partial(_estimate, name),
    )


def _opening(name: str) -> Callable[[Any], AbstractAsyncContextManager[OpenWriter]]:
    @asynccontextmanager
    async def opened(settings: Any) -> AsyncIterator[OpenWriter]:
        access = access_of(name, settings)
        require_set_up(access)
        # In a thread: the packages take seconds to import.
        asking = await asyncio.to_thread(load, "asking")
        client = await asyncio.to_thread(load, "client")
        async with client.open_model(access) as model:
            yield OpenWriter(
                write=asking.Asking(model).write,
                version=f"{access.model}/{PROMPT_VERSION}",
                concurrency=_hands(access.limits.model_concurrency),
            )

    return opened


def _hands(at_once: int) -> int:
    """Some more than requests in flight: what they prepare and check meanwhile costs no time."""
    return at_once + max(1, at_once // 4) if at_once > 1 else 1


async def _check(name: str, settings: Any) -> WriterHealth:
    access = access_of(name, settings)
    try:
        require_set_up(access)
        async with asyncio.timeout(_CHECKED_WITHIN):
            checking = await asyncio.to_thread(load, "checking")
            health: WriterHealth = await checking.check_model(access)
    except WriterNotSetUpError as error:
        return WriterHealth(
            ready=False,
            message=error.message,
            recovery_actions=error.recovery_actions,
            for_admin=True,
        )
    except TimeoutError:
        return WriterHealth(
            ready=False,
            message=f"{access.base_url} has not answered within {_CHECKED_WITHIN:g} s.",
            recovery_actions=("Try again in a moment.",),
        )
    return health


def _estimate(name: str, settings: Any, briefs: Sequence[Brief]) -> WritingEstimate:
    return estimate_of(access_of(name, settings), briefs)


MODEL_WRITERS: tuple[Writer, ...] = (
    _writer("openai", "A model of OpenAI, or of any server with the same interface; needs a key."),
    _writer("anthropic", "A model of Anthropic; needs a key."),
)
"""For `Plugin.provides`; the settings they get are `ProcessingSettings`."""
