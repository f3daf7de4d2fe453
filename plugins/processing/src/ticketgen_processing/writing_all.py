"""The words of every ticket: several asked for at once, what was paid for kept, within a budget."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from ticketgen import Contributions, TaskContext
from ticketgen.provides import (
    Brief,
    Component,
    OpenWriter,
    SiteContext,
    Usage,
    Writer,
    WrittenText,
)
from ticketgen.tables import new_id
from ticketgen_processing.errors import BudgetSpentError, UnknownWriterError
from ticketgen_processing.texts import digest_of_brief, known_texts, note_usage, put_text, spent

__all__ = ["WrittenTexts", "briefs_of", "find_writer", "usage_of", "write_all", "write_one"]

_MOST_RELATED = 8

_APART_SECONDS = 0.012
"""About what a text takes of the processor: measured, two cores."""

_TOGETHER_SECONDS = 0.03
"""What is bought within so long is stored in one transaction."""


@dataclass(kw_only=True)
class WrittenTexts:
    """The texts by key of their component, and what they took."""

    texts: dict[str, WrittenText] = field(default_factory=dict)
    reused: int = 0
    written: int = 0
    cost: Decimal = Decimal(0)


def find_writer(contributions: Contributions, name: str) -> tuple[str, Writer]:
    """The writer of that name, after the name of the plugin that brings it.

    Raises:
        UnknownWriterError: no installed plugin does.
    """
    writers = {writer.name: (owner, writer) for owner, writer in contributions.owned(Writer)}
    if name not in writers:
        raise UnknownWriterError(
            f"The writer {name!r} is not installed.",
            recovery_actions=[f"Choose one of {', '.join(writers)} for the session."],
        )
    return writers[name]


def briefs_of(components: Sequence[Component], site: SiteContext) -> Iterator[Brief]:
    """What a writer is given for each: what it needs stands around it, then what needs it."""
    by_key = {component.key: component for component in components}
    needed_by: dict[str, list[str]] = defaultdict(list)
    for component in components:
        for link in component.depends_on:
            if len(needed_by[link.key]) < _MOST_RELATED:
                needed_by[link.key].append(component.key)
    for component in components:
        keys = [link.key for link in component.depends_on] + needed_by[component.key]
        related = tuple(by_key[key] for key in dict.fromkeys(keys))[:_MOST_RELATED]
        yield Brief(component=component, site=site, related=related)


def usage_of(error: BaseException) -> Usage | None:
    """What was used up in vain: a writer's error may say so in the attribute `usage`."""
    usage = getattr(error, "usage", None)
    return usage if isinstance(usage, Usage) else None


async def write_all(
    ctx: TaskContext,
    writer_name: str,
    briefs: Sequence[Brief],
    *,
    budget: Decimal,
    between: tuple[float, float],
) -> WrittenTexts:
    """A text for each brief; progress goes through the percentages given, by entity group.

    After a failure no other text is begun; those that are being written are waited for and kept,
    since they are paid for either way.

    Raises:
        BudgetSpentError: the session's writers may spend no more.
        TicketgenError: what the writer raises.
    """
    owner, writer = find_writer(ctx.contributions, writer_name)
    async with writer.open(ctx.contributions.settings_of(owner)) as opened:
        work = _Work(ctx=ctx, writer=writer, opened=opened, budget=budget, between=between)
        if writer.paid:
            async with ctx.transaction() as db:
                work.known = await known_texts(db, ctx.session_id)
                work.spent = await spent(db, ctx.session_id)
        await work.write(briefs)
        return work.result


async def write_one(
    ctx: TaskContext, writer_name: str, brief: Brief, *, budget: Decimal
) -> WrittenTexts:
    """A new text for one brief, whatever was written from the same facts before.

    Raises:
        TicketgenError: as `write_all`.
    """
    owner, writer = find_writer(ctx.contributions, writer_name)
    async with writer.open(ctx.contributions.settings_of(owner)) as opened:
        work = _Work(ctx=ctx, writer=writer, opened=opened, budget=budget, between=(10.0, 90.0))
        if writer.paid:
            async with ctx.transaction() as db:
                work.spent = await spent(db, ctx.session_id)
        await work.write([brief])
        return work.result


@dataclass(frozen=True, kw_only=True)
class _Purchase:
    """What was paid for: a text under its digest, or, after a failure, nothing."""

    brief: Brief
    usage: Usage
    digest: str = ""
    text: WrittenText | None = None
    id: UUID = field(default_factory=new_id)


@dataclass(kw_only=True)
class _Work:
    """The state of one generation's writing.

    Several hands ask the writer. What they have bought is stored beside them, all that waits in
    one transaction: a hand does not stand still for it, and a kill loses no more than that.
    """

    ctx: TaskContext
    writer: Writer
    opened: OpenWriter
    budget: Decimal
    between: tuple[float, float]
    known: Mapping[str, WrittenText] = field(default_factory=dict)
    spent: Decimal = Decimal(0)
    in_hand: int = 0
    bought: list[_Purchase] = field(default_factory=list)
    """Not stored yet."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    finished: bool = False
    totals: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    result: WrittenTexts = field(default_factory=WrittenTexts)
    failure: Exception | None = None

    async def write(self, briefs: Sequence[Brief]) -> None:
        self.totals = Counter(brief.component.entity_group for brief in briefs)
        waiting = iter(briefs)
        hands = max(1, min(self.opened.concurrency, len(briefs)))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._store())
                await asyncio.gather(*(self._work_through(waiting, hand) for hand in range(hands)))
                self.finished = True
                self.changed.set()
        except BaseExceptionGroup as failures:
            await self._store_rest()
            raise failures.exceptions[0] from None
        except asyncio.CancelledError:
            await self._store_rest()
            raise
        if self.failure is not None:
            raise self.failure

    async def _work_through(self, waiting: Iterator[Brief], hand: int) -> None:
        # Hands that begin in one moment get their answers in one, and are in each other's way.
        await asyncio.sleep(hand * _APART_SECONDS)
        try:
            for brief in waiting:
                await self._write(brief)
                await self.ctx.checkpoint()
                if self.failure is not None:
                    return
        except Exception as error:
            # Of several the first says why.
            self.failure = self.failure or error

    async def _write(self, brief: Brief) -> None:
        if not self.writer.paid:
            with self.ctx.remote():
                await self._finish(brief, await self.opened.write(brief))
            return
        digest = digest_of_brief(self.writer.name, self.opened.version, brief)
        if digest in self.known:
            self.result.reused += 1
            await self._finish(brief, self.known[digest])
            return
        self._require_budget()
        self.in_hand += 1
        try:
            await self._buy(brief, digest)
        finally:
            self.in_hand -= 1

    async def _buy(self, brief: Brief, digest: str) -> None:
        try:
            with self.ctx.remote():
                text = await self.opened.write(brief)
        except Exception as error:
            usage = usage_of(error)
            if usage is not None:
                self._keep(_Purchase(brief=brief, usage=usage))
            raise
        self._keep(_Purchase(brief=brief, usage=text.usage, digest=digest, text=text))
        self.result.written += 1

    def _keep(self, purchase: _Purchase) -> None:
        self.spent += purchase.usage.cost or 0
        self.result.cost += purchase.usage.cost or 0
        self.bought.append(purchase)
        self.changed.set()

    async def _store(self) -> None:
        """Text and cost in one transaction: neither is there without the other."""
        while not self.finished or self.bought:
            await self.changed.wait()
            self.changed.clear()
            if not self.finished:
                await asyncio.sleep(_TOGETHER_SECONDS)
            purchases = tuple(self.bought)
            await self._put(purchases)
            del self.bought[: len(purchases)]
            for purchase in purchases:
                if purchase.text is not None:
                    await self._finish(purchase.brief, purchase.text)

    async def _store_rest(self) -> None:
        """What was paid for is kept, whatever ends the work."""
        with suppress(Exception):
            await self._put(self.bought)

    async def _put(self, purchases: Sequence[_Purchase]) -> None:
        if not purchases:
            return
        async with self.ctx.transaction() as db:
            for purchase in purchases:
                await note_usage(
                    db,
                    run=self.ctx.run,
                    usage_id=purchase.id,
                    ticket_key=purchase.brief.component.key,
                    writer=self.writer.name,
                    usage=purchase.usage,
                )
                if purchase.text is not None:
                    await put_text(
                        db,
                        session_id=self.ctx.session_id,
                        digest=purchase.digest,
                        text=purchase.text,
                    )

    async def _finish(self, brief: Brief, text: WrittenText) -> None:
        """Count a text that is there, and tell how far the writing is, by entity group."""
        self.result.texts[brief.component.key] = text
        group = brief.component.entity_group
        self.done[group] += 1
        begin, end = self.between
        await self.ctx.progress(
            begin + (end - begin) * self.done.total() / self.totals.total(),
            f"Writing {group}",
            group=group,
            done=self.done[group],
            of=self.totals[group],
            groups={name: f"{self.done[name]}/{self.totals[name]}" for name in self.totals},
        )

    def _require_budget(self) -> None:
        """What is in hand is reckoned at what a text has cost on average in this run."""
        average = self.result.cost / self.result.written if self.result.written else Decimal(0)
        if self.spent + self.in_hand * average < self.budget:
            return
        ready = self.result.reused + self.result.written
        raise BudgetSpentError(
            f"The session's writers have spent {self.spent:.2f} of {self.budget:.2f} US dollars; "
            f"{ready} of {self.totals.total()} texts are there, and kept.",
            recovery_actions=[
                "Start again with another writer, or with a higher `budget`.",
                "Ask an administrator to raise TICKETGEN_PROCESSING_BUDGET.",
            ],
        )
