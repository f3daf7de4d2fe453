"""The ledger of outside effects: what was about to be done elsewhere, and what came of it.

A row is written before the call and completed after it, so that whoever comes later knows that
the call was made, or may have been made. `ticketgen.effects` makes the calls.

An *intention* is one writing of such a row by one attempt. `attempt` and `began_at` together tell
it from every other intention of the same effect; what acts on an intention names it and does
nothing if another has taken its place.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, words
from ticketgen.errors import ConflictError, NotFoundError

__all__ = [
    "COUNTED",
    "Effect",
    "EffectName",
    "EffectState",
    "begin_effect",
    "count_effects",
    "forget_effect",
    "list_effects",
    "read_effect",
    "record_result",
    "release_effects",
    "settle_by_hand",
    "take_over",
    "withdraw",
]


COUNTED = 10_000
"""So many effects that are done are counted at most: whoever asks wants to know soon."""


class EffectState(StrEnum):
    """What is known of an effect."""

    INTENDED = "intended"
    """The call was about to be made: it may have been, and may still be under way."""
    DONE = "done"
    """The call was made, and this is its result."""


class Effect(Base):
    """One effect on another system, done at most once for its key."""

    __tablename__ = "effects"
    __table_args__ = (
        Index("ix_effects_began_at", "began_at"),
        Index("ix_effects_intended", "plugin", postgresql_where=text("state = 'intended'")),
    )

    plugin: Mapped[str] = mapped_column(String(100), primary_key=True)
    operation: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    """What the effect is for: a ticket's id."""
    session_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    run_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("session_tasks.id", ondelete="SET NULL"), index=True
    )
    attempt: Mapped[int]
    """With `run_id`: whose intention the row holds."""
    state: Mapped[EffectState] = mapped_column(words(EffectState))
    began_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    over_at: Mapped[datetime]
    """From then on the call is no longer under way, whatever became of it."""
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """An object with the one member `value`."""
    settled_at: Mapped[datetime | None]

    @property
    def name(self) -> EffectName:
        """What the effect is known by."""
        return EffectName(plugin=self.plugin, operation=self.operation, key=self.key)

    @property
    def value(self) -> Any:
        """What the call gave, as JSON gives it back; of an effect that is done."""
        return (self.result or {})["value"]


@dataclass(frozen=True, kw_only=True)
class EffectName:
    """What an effect is known by, over all attempts, runs and lineages."""

    plugin: str
    operation: str
    key: str

    def __str__(self) -> str:
        return f"{self.plugin} {self.operation} {self.key}"


def _named(name: EffectName) -> tuple[ColumnElement[bool], ...]:
    return (
        Effect.plugin == name.plugin,
        Effect.operation == name.operation,
        Effect.key == name.key,
    )


def _still(intention: Effect) -> tuple[ColumnElement[bool], ...]:
    return (
        *_named(intention.name),
        Effect.state == EffectState.INTENDED,
        Effect.attempt == intention.attempt,
        Effect.began_at == intention.began_at,
    )


async def read_effect(db: AsyncSession, name: EffectName, *, lock: bool = False) -> Effect | None:
    """What is known of the effect; None if nobody ever set about it, or it was withdrawn."""
    query = select(Effect).where(*_named(name)).execution_options(populate_existing=True)
    return await db.scalar(query.with_for_update() if lock else query)


async def begin_effect(
    db: AsyncSession,
    name: EffectName,
    *,
    session_id: UUID | None,
    run_id: UUID,
    attempt: int,
    lasts: timedelta,
) -> tuple[Effect, bool]:
    """Write the intention, or read what is there; whether it is the caller's own.

    Of two at the same moment one writes, and the other waits for its commit and reads.
    """
    while True:
        written = await db.scalar(
            insert(Effect)
            .values(
                plugin=name.plugin,
                operation=name.operation,
                key=name.key,
                session_id=session_id,
                run_id=run_id,
                attempt=attempt,
                state=EffectState.INTENDED,
                over_at=func.clock_timestamp() + lasts,
            )
            .on_conflict_do_nothing()
            .returning(Effect)
        )
        if written is not None:
            return written, True
        there = await read_effect(db, name)
        if there is not None:
            return there, False
        # It was withdrawn between our insert and our look: insert again.


async def take_over(
    db: AsyncSession, intention: Effect, *, run_id: UUID, attempt: int, lasts: timedelta
) -> Effect | None:
    """Put the caller's intention in the place of one that is over; None if it is there no more.

    Only for who has made sure that the call of that intention did nothing.
    """
    return await db.scalar(
        update(Effect)
        .where(*_still(intention), Effect.over_at <= func.clock_timestamp())
        .values(
            run_id=run_id,
            attempt=attempt,
            began_at=func.clock_timestamp(),
            over_at=func.clock_timestamp() + lasts,
        )
        .returning(Effect)
        .execution_options(populate_existing=True, synchronize_session=False)
    )


async def record_result(db: AsyncSession, intention: Effect, value: Any) -> Effect | None:
    """Intended → done with this value; None if the intention is there no more, or done already."""
    return await db.scalar(
        update(Effect)
        .where(*_still(intention))
        .values(state=EffectState.DONE, result={"value": value}, settled_at=func.clock_timestamp())
        .returning(Effect)
        .execution_options(populate_existing=True, synchronize_session=False)
    )


async def withdraw(db: AsyncSession, intention: Effect) -> None:
    """Forget an intention of which it is certain that nothing was done; another's stays."""
    await db.execute(
        delete(Effect).where(*_still(intention)).execution_options(synchronize_session=False)
    )


async def settle_by_hand(
    db: AsyncSession, name: EffectName, value: Any, *, overwrite: bool = False
) -> Effect:
    """Record what a person found in the other system: it was done, with this value.

    Raises:
        NotFoundError: the ledger does not know the effect.
        ConflictError: the call may still be under way; or a value is recorded, and `overwrite`
            is not given.
    """
    effect = await _settleable(db, name)
    if effect.state is EffectState.DONE and not overwrite:
        raise ConflictError(
            f"The effect {name} is recorded as done, with {effect.value!r}.",
            recovery_actions=["Add --overwrite to put another value in its place."],
        )
    effect.state = EffectState.DONE
    effect.result = {"value": value}
    effect.settled_at = func.clock_timestamp()
    await db.flush()
    return effect


async def forget_effect(db: AsyncSession, name: EffectName) -> Effect:
    """Record what a person found in the other system: nothing was done, so it may be done.

    Raises:
        NotFoundError: the ledger does not know the effect.
        ConflictError: it is recorded as done, or the call may still be under way.
    """
    effect = await _settleable(db, name)
    if effect.state is EffectState.DONE:
        raise ConflictError(
            f"The effect {name} is recorded as done, with {effect.value!r}; "
            "doing it again would double it.",
            recovery_actions=["Leave it as it is."],
        )
    await db.delete(effect)
    await db.flush()
    return effect


async def _settleable(db: AsyncSession, name: EffectName) -> Effect:
    effect = await read_effect(db, name, lock=True)
    if effect is None:
        raise NotFoundError(
            f"The ledger does not know the effect {name}.",
            recovery_actions=["See `ticketgen effects list`."],
        )
    under_way = await db.scalar(select(effect.over_at > func.clock_timestamp()))
    if effect.state is EffectState.INTENDED and under_way:
        raise ConflictError(
            f"The call for the effect {name} may still be under way.",
            recovery_actions=[f"Look again after {effect.over_at:%Y-%m-%d %H:%M:%S} UTC."],
        )
    return effect


async def count_effects(db: AsyncSession, *, plugin: str) -> dict[str, int]:
    """How many effects of a plugin are `done`, `under_way`, and of `unknown` outcome.

    Those that are done are counted as far as `COUNTED`.
    """
    mine = Effect.plugin == plugin
    done = (
        select(Effect.key)
        .where(mine, Effect.state == EffectState.DONE)
        .order_by(Effect.plugin, Effect.operation, Effect.key)  # the index has them together
        .limit(COUNTED)
    )
    running = Effect.over_at > func.clock_timestamp()
    intended = (
        select(func.count().filter(running), func.count().filter(~running))
        .where(mine, Effect.state == EffectState.INTENDED)
        .subquery()
    )
    counted = select(select(func.count()).select_from(done.subquery()).scalar_subquery(), intended)
    row = (await db.execute(counted)).one()
    return dict(zip(("done", "under_way", "unknown"), map(int, row), strict=True))


async def list_effects(
    db: AsyncSession,
    *,
    session_id: UUID | None = None,
    operation: str | None = None,
    unknown: bool = False,
    limit: int,
) -> list[Effect]:
    """Effects, the newest first: of everything or of one session, of one operation, not settled."""
    query = select(Effect).order_by(Effect.began_at.desc(), Effect.key).limit(limit)
    if session_id is not None:
        query = query.where(Effect.session_id == session_id)
    if operation is not None:
        query = query.where(Effect.operation == operation)
    if unknown:
        query = query.where(Effect.state == EffectState.INTENDED)
    return list(await db.scalars(query))


async def release_effects(db: AsyncSession, session_ids: Collection[UUID]) -> None:
    """Keep what was done for these sessions when they are deleted, as effects of no session."""
    await db.execute(
        update(Effect)
        .where(Effect.session_id.in_(session_ids))
        .values(session_id=None)
        .execution_options(synchronize_session=False)
    )
