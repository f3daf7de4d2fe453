"""`ticketgen secrets`: the keys that secrets of other systems are sealed with."""

from __future__ import annotations

from uuid import UUID

import typer

from ticketgen.console import fail, out, run
from ticketgen.domain import audit, secrets
from ticketgen.errors import ConfigurationError
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.sealing import fingerprint
from ticketgen.sealing import new_key as make_key
from ticketgen.vault import reseal_batch

__all__ = ["app"]

app = typer.Typer(
    help="The keys that secrets of other systems are sealed with.", no_args_is_help=True
)

_BATCH = 200


@app.command("new-key")
def new_key() -> None:
    """Make a key and print it: put it first in TICKETGEN_SECRET_KEYS, of the API and all workers.

    Leave the keys that were there behind it until `ticketgen secrets rotate` has run.
    """
    typer.echo(make_key())


@app.command()
def status() -> None:
    """Count the secrets by the key they are sealed with; 1 if some cannot be opened here."""

    async def work() -> bool:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            counted = await secrets.count_by_key(unit.db)
        return _tell(runtime, counted)

    if not run(work()):
        raise typer.Exit(1)


def _tell(runtime: Runtime, counted: dict[str, int]) -> bool:
    keys = runtime.keys
    known = [fingerprint(key) for key in keys.keys]
    missing = sorted(set(counted) - keys.key_ids)
    for number, key_id in enumerate(known):
        use = "seals and opens" if number == 0 else "opens"
        out.print(f"{key_id}  {counted.get(key_id, 0):>6}  {use}", highlight=False)
    for key_id in missing:
        out.print(f"{key_id}  {counted[key_id]:>6}  [red]no such key here[/red]", highlight=False)
    if not known:
        out.print("No key is set: see `ticketgen secrets new-key`.", highlight=False)
    if missing:
        lost = sum(counted[key_id] for key_id in missing)
        out.print(
            f"{lost} cannot be opened: add the key they were sealed with to "
            "TICKETGEN_SECRET_KEYS, or have the accounts connected again.",
            soft_wrap=True,
            highlight=False,
        )
    return not missing


@app.command()
def rotate() -> None:
    """Seal everything with the first key; may be stopped and started again at any time."""

    async def work() -> tuple[int, int, int]:
        async with open_runtime() as runtime:
            if not runtime.keys:
                raise ConfigurationError(
                    "There is no key to seal with.",
                    recovery_actions=[
                        "Make one with `ticketgen secrets new-key`, and set it as "
                        "TICKETGEN_SECRET_KEYS."
                    ],
                )
            done, damaged = await _resealed(runtime)
            async with runtime.unit_of_work() as unit:
                counted = await secrets.count_by_key(unit.db)
        missing = sum(n for key_id, n in counted.items() if key_id not in runtime.keys.key_ids)
        return done, damaged, missing

    done, damaged, missing = run(work())
    out.print(f"Sealed {done} with the first key.", highlight=False)
    if damaged or missing:
        fail(
            ConfigurationError(
                f"Left as they are: {missing} whose key is not here, {damaged} that are damaged.",
                recovery_actions=["See `ticketgen secrets status`."],
            )
        )


async def _resealed(runtime: Runtime) -> tuple[int, int]:
    done = damaged = 0
    after: UUID | None = None
    while True:
        async with runtime.unit_of_work() as unit:
            batch = await reseal_batch(unit.db, runtime.keys, after=after, limit=_BATCH)
            if batch.done:
                audit.record(
                    unit.db,
                    "secrets.rotated",
                    details={"count": batch.done, "key": runtime.keys.key_id},
                )
        done, damaged, after = done + batch.done, damaged + batch.damaged, batch.last
        if after is None:
            return done, damaged
