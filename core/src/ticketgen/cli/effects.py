"""`ticketgen effects`: what was done in other systems, and what nobody knows of."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape

from ticketgen.console import out, run
from ticketgen.database import database_time
from ticketgen.domain import audit, effects
from ticketgen.domain.effects import Effect, EffectName, EffectState
from ticketgen.errors import InvalidInputError
from ticketgen.runtime import open_runtime
from ticketgen.storable import storable

__all__ = ["app"]

app = typer.Typer(help="What was done in other systems, at most once.", no_args_is_help=True)


@app.command("list")
def list_all(
    session: Annotated[UUID | None, typer.Option(help="Of this session only.")] = None,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Only those of which nobody knows the outcome.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 100,
) -> None:
    """List effects: state, since when, plugin, operation, key, and the result of what is done."""

    async def work() -> None:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            found = await effects.list_effects(
                unit.db, session_id=session, unknown=unknown, limit=limit + 1
            )
            now = await database_time(unit.db)
        for effect in found[:limit]:
            out.print(escape(_line(effect, now)), soft_wrap=True, highlight=False)
        if len(found) > limit:
            out.print(f"… and more than these {limit}; see --limit.")

    run(work())


def _line(effect: Effect, now: datetime) -> str:
    line = f"{_state(effect, now):<9}  {effect.began_at:%Y-%m-%d %H:%M:%S}  {effect.name}"
    if effect.state is EffectState.INTENDED:
        return line
    return f"{line}  {json.dumps(effect.value, ensure_ascii=False)[:200]}"


def _state(effect: Effect, now: datetime) -> str:
    if effect.state is EffectState.DONE:
        return "done"
    return "under way" if effect.over_at > now else "unknown"


@app.command()
def settle(
    plugin: Annotated[str, typer.Argument(help="From `ticketgen effects list`.")],
    operation: Annotated[str, typer.Argument(help="From the same line.")],
    key: Annotated[str, typer.Argument(help="From the same line.")],
    done: Annotated[
        str | None,
        typer.Option("--done", metavar="JSON", help="It was done, and this is its result."),
    ] = None,
    not_done: Annotated[
        bool, typer.Option("--not-done", help="Nothing was done, so it may be done again.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --done: replace a result that is recorded.")
    ] = False,
) -> None:
    """Record what you found in the other system; the task, started again, goes on from there."""
    if not_done == (done is not None) or (overwrite and not_done):
        raise InvalidInputError(
            "Say either what was done or that nothing was.",
            recovery_actions=[
                "Give --done JSON, to replace a result with --overwrite; or give --not-done."
            ],
        )
    value = None if done is None else _parsed(done)
    name = EffectName(plugin=plugin, operation=operation, key=key)

    async def work() -> None:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            if not_done:
                settled = await effects.forget_effect(unit.db, name)
            else:
                settled = await effects.settle_by_hand(unit.db, name, value, overwrite=overwrite)
            audit.record(
                unit.db,
                "effect.settled",
                session_id=settled.session_id,
                subject=name,
                details={"done": not not_done, **({} if not_done else {"value": value})},
            )
        out.print(escape(f"Settled {name}: {'not done' if not_done else 'done'}."), soft_wrap=True)

    run(work())


def _parsed(text: str) -> Any:
    try:
        return storable(json.loads(text))
    except ValueError as error:
        raise InvalidInputError(
            f"{text!r} is no JSON: {error}.",
            recovery_actions=['Give for instance --done \'{"reference": "HM-12"}\'.'],
        ) from error
