"""`ticketgen schedules`: what starts by itself and when, and how to start it now."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from ticketgen.api.routes.schedules import ScheduleView, describe_schedules
from ticketgen.console import err, out, run
from ticketgen.ports import StartedRun
from ticketgen.runtime import open_runtime
from ticketgen.scheduler import Scheduler

__all__ = ["app"]

app = typer.Typer(help="What starts by itself, and when.", invoke_without_command=True)


@app.callback()
def list_schedules(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every schedule with its next fire times and what came of the last one."""
    if context.invoked_subcommand is not None:
        return

    async def work() -> list[ScheduleView]:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            return await describe_schedules(unit.db, runtime.registry)

    found = run(work())
    if as_json:
        typer.echo(json.dumps([view.model_dump(mode="json") for view in found], indent=2))
        return
    for view in found:
        _print(view)
    if not found:
        out.print("No plugin brings a schedule.")


def _print(view: ScheduleView) -> None:
    out.print(
        f"[bold]{view.name}[/bold]  {escape(view.cron)}  {escape(view.zone)}  "
        f"{escape(view.summary)}".rstrip(),
        soft_wrap=True,
        highlight=False,
    )
    for line in (*_next_lines(view), _last_line(view)):
        out.print(f"  {line}", soft_wrap=True, highlight=False)


def _next_lines(view: ScheduleView) -> list[str]:
    if view.zone == "UTC":
        return [f"next  {fire.utc:%Y-%m-%d %H:%M} UTC" for fire in view.next_fires]
    return [
        f"next  {fire.local:%Y-%m-%d %H:%M %Z}  ({fire.utc:%Y-%m-%d %H:%M} UTC)"
        for fire in view.next_fires
    ]


def _last_line(view: ScheduleView) -> str:
    last = view.last_fire
    if last is None:
        return "last  none yet"
    run_id = f"  {last.task_id}" if last.task_id is not None else ""
    return f"last  {last.fire_time:%Y-%m-%d %H:%M} UTC  {last.outcome}{run_id}"


@app.command("run")
def run_now(
    name: Annotated[str, typer.Argument(help="From `ticketgen schedules`.")],
) -> None:
    """Start a schedule's task now and print the run's id; its fire times stay as they are."""

    async def work() -> StartedRun:
        async with open_runtime() as runtime:
            scheduler = Scheduler(registry=runtime.registry, unit_of_work=runtime.unit_of_work)
            return await scheduler.fire_now(name)

    started = run(work())
    if started.existing:
        err.print("Its task is at work already, in this run:", highlight=False)
    # Not through rich: an id must be one unbroken line, so that it can be piped.
    typer.echo(str(started.run.id))
