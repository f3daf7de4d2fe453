"""`ticketgen workers`: which worker processes live, what they serve, how busy they are."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape

from ticketgen.api.routes.workers import WorkerState, WorkerView, describe_workers
from ticketgen.console import out, run
from ticketgen.database import database_time
from ticketgen.runtime import open_runtime

__all__ = ["workers"]


def workers(
    everyone: Annotated[
        bool, typer.Option("--all", help="Those stopped or gone silent within a day, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the live workers; ends with 1 if none lives."""

    async def work() -> tuple[list[WorkerView], datetime]:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            expiry = runtime.settings.heartbeat_expiry
            found = await describe_workers(unit.db, expiry=expiry, everyone=everyone)
            return found, await database_time(unit.db)

    found, now = run(work())
    if as_json:
        typer.echo(json.dumps([view.model_dump(mode="json") for view in found], indent=2))
    else:
        _print(found, now)
    if not any(view.state is WorkerState.LIVE for view in found):
        raise typer.Exit(1)


def _print(found: list[WorkerView], now: datetime) -> None:
    for view in found:
        for line in _lines(view, now):
            out.print(escape(line), soft_wrap=True, highlight=False)
    if not any(view.state is WorkerState.LIVE for view in found):
        out.print("No worker lives; start `ticketgen-worker`.")


def _lines(view: WorkerView, now: datetime) -> list[str]:
    name = f"{view.host}:{view.pid}  {view.version}"
    if view.stopped_at is not None:
        return [f"{name}  stopped {view.stopped_at:%Y-%m-%d %H:%M:%S}"]
    if view.state is WorkerState.SILENT:
        return [f"{name}  silent since {view.last_seen_at:%Y-%m-%d %H:%M:%S}"]
    seen = max(0.0, (now - view.last_seen_at).total_seconds())
    served = ", ".join(f"{name} {version}" for name, version in sorted(view.plugins.items()))
    return [
        f"{name}  {view.running} of {view.max_jobs} runs  lag {view.lag:.1f} s  "
        f"since {view.started_at:%Y-%m-%d %H:%M}  seen {seen:.0f} s ago",
        f"  {served or 'serves no plugin'}",
        *(f"  out of use: {name}, {why}" for name, why in sorted(view.failed.items())),
    ]
