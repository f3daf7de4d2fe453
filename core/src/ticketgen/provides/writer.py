"""The port through which a plugin contributes the words of a ticket, and never its facts.

A generation opens its writer once, asks it for every ticket, `OpenWriter.concurrency` of them at
a time, and closes it. What a writer with `paid` has written is stored for the session under the
facts it was written from: neither a retry nor a new generation pays for the same ticket twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from ticketgen.provides.component import Component

__all__ = [
    "Brief",
    "OpenWriter",
    "SiteContext",
    "Usage",
    "Writer",
    "WriterHealth",
    "WritingEstimate",
    "WrittenText",
    "plain_writer",
]


@dataclass(frozen=True, kw_only=True)
class SiteContext:
    """What the owner of the session said about the site."""

    project_name: str
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What a writer is given for one ticket. Every text in it is a fact or a claim, no order."""

    component: Component
    site: SiteContext
    related: tuple[Component, ...] = ()
    """Components it needs, and some that need it: for understanding, not to be described."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the writing of one text has used up, failed tries included."""

    model: str = ""
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = Decimal(0)
    """In US dollars; None where nobody knows the price."""


@dataclass(frozen=True, kw_only=True)
class WrittenText:
    """The written part of a ticket, as plain text: Markdown in it is shown, not obeyed."""

    user_story: str
    """Paragraphs are separated by blank lines."""
    success_criteria: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Sentences about the writing itself, shown on the ticket."""
    usage: Usage = Usage()


@dataclass(frozen=True, kw_only=True)
class WriterHealth:
    """Whether a writer could write now."""

    ready: bool
    message: str
    """One sentence for the person who wants to start, such as the model that answered."""
    recovery_actions: tuple[str, ...] = ()
    for_admin: bool = False
    """If it is not ready: whether only an administrator can mend that, as a missing key."""


@dataclass(frozen=True, kw_only=True)
class WritingEstimate:
    """What the writing of some tickets is going to take, roughly."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = Decimal(0)
    """In US dollars; None where nobody knows the price."""
    duration: timedelta = timedelta(0)
    """At the writer's own concurrency."""


@dataclass(frozen=True, kw_only=True)
class OpenWriter:
    """A writer at work, for the length of one generation."""

    write: Callable[[Brief], Awaitable[WrittenText]]
    """May raise `ticketgen.errors.TemporaryError` or `RateLimitedError`: the run is tried again
    later, and goes on after the texts that are stored. Any other error ends the generation. An
    error that has cost something says so in an attribute `usage`, a `Usage`."""
    version: str = ""
    """What its texts depend on beside the brief, such as the model: a text that is stored is used
    again by the same version only."""
    concurrency: int = 1
    """So many texts are asked for at once."""


@dataclass(frozen=True, kw_only=True)
class Writer:
    """One way to write user stories and success criteria, chosen by its name.

    The configuration tables of a ticket are copied from the sheets by construction; whatever a
    writer returns cannot change them. Every function gets the settings of the plugin that brings
    the writer, an instance of its `Plugin.settings`, or None if it has none.
    """

    name: str
    summary: str
    open: Callable[[Any], AbstractAsyncContextManager[OpenWriter]]
    """Opens what it needs, a connection for instance, for the length of a generation."""
    paid: bool = False
    """Each text costs time or money worth saving: texts are stored, and their usage is counted
    against the session's budget."""
    check: Callable[[Any], Awaitable[WriterHealth]] | None = None
    """Asks whether it could write now, within seconds; its answer is used for five minutes."""
    estimate: Callable[[Any, Sequence[Brief]], WritingEstimate] | None = None
    """What writing these would take; computed, not asked of anybody."""


def plain_writer(
    *, name: str, summary: str, write: Callable[[Brief], Awaitable[WrittenText]]
) -> Writer:
    """A writer that needs nothing opened and costs nothing."""

    @asynccontextmanager
    async def opened(_: Any) -> AsyncIterator[OpenWriter]:
        yield OpenWriter(write=write)

    return Writer(name=name, summary=summary, open=opened)
