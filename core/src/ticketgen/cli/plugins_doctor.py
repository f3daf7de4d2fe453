"""`ticketgen plugins doctor`: what is wrong with plugins, here and in workers, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.api.routes.plugins import WorkerTrouble, trouble_in_workers
from ticketgen.attached import attached_settings
from ticketgen.cli.safe import Safe, safe_overrides
from ticketgen.console import fail, out
from ticketgen.database import create_engine, create_session_factory
from ticketgen.discovery import FoundPlugin, PluginStatus
from ticketgen.domain import workers
from ticketgen.errors import NotFoundError, TicketgenError
from ticketgen.migrations import survey_schemas
from ticketgen.migrations.trees import plugin_tree, problem_of
from ticketgen.registry import survey_registry
from ticketgen.settings import load_settings

__all__ = ["doctor"]

_PATIENCE_SECONDS = 5.0

_UPGRADE = "Run `ticketgen db upgrade`."


class _Symptom(BaseModel):
    phase: str
    message: str
    remedy: str
    traceback: str | None


class _Patient(BaseModel):
    name: str
    distribution: str
    version: str
    status: PluginStatus
    problems: list[_Symptom]


class _Report(BaseModel):
    well: bool
    plugins: list[_Patient]
    workers: list[WorkerTrouble]
    workers_unasked: str | None
    """Why neither tables nor live workers could be looked at; None if they were."""


def doctor(
    name: Annotated[str | None, typer.Argument(help="Look at this plugin only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    safe: Safe = False,
) -> None:
    """Say what is wrong with the plugins, with traceback and remedy; 1 if anything is.

    Works on a host that is broken. The plugins are loaded as a start would load them; their
    tables are looked at and live workers asked, if the database can be reached.
    """
    try:
        examined = _examined(safe)
        _chosen(examined, name)
    except TicketgenError as error:
        fail(error)
    examined, troubles, unasked = asyncio.run(_ask_database(examined))
    chosen = _chosen(examined, name)
    report = _report(chosen, [item for item in troubles if name in {None, item.plugin}], unasked)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print(report, name)
    if not report.well:
        raise typer.Exit(1)


def _examined(safe: bool) -> list[FoundPlugin]:
    """Every installed plugin, loaded as a start would load it, its routers put together."""
    # Not at the top: every command imports this module, and only this one needs the API.
    from ticketgen.api.mounting import prove_routers

    registry = survey_registry(load_settings(**safe_overrides(safe)))
    unmounted = prove_routers(registry)
    return [
        found.failed(unmounted[found.name])
        if found.plugin is not None and found.name in unmounted
        else found
        for found in registry.plugins
    ]


def _chosen(examined: list[FoundPlugin], name: str | None) -> list[FoundPlugin]:
    found = [plugin for plugin in examined if name in {None, plugin.name}]
    if name is not None and not found:
        raise NotFoundError(
            f"No plugin {name!r} is installed.", recovery_actions=["See `ticketgen plugins`."]
        )
    return found


async def _ask_database(
    examined: list[FoundPlugin],
) -> tuple[list[FoundPlugin], list[WorkerTrouble], str | None]:
    """The plugins with what is wrong with their tables, and what live workers report besides.

    And why these could not be looked at; never an error of its own.
    """
    try:
        settings = attached_settings()
        engine = create_engine(settings, application_name="ticketgen-doctor")
    except TicketgenError as error:
        return examined, [], error.message
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            examined = await _with_tables(engine, examined)
            async with create_session_factory(engine)() as db:
                live = await workers.list_live_workers(db, expiry=settings.heartbeat_expiry)
    except (SQLAlchemyError, TicketgenError, OSError) as error:
        remark = f"The database does not answer as it should ({type(error).__name__})."
        return examined, [], remark
    finally:
        await engine.dispose()
    return examined, trouble_in_workers(live, examined), None


async def _with_tables(engine: AsyncEngine, examined: list[FoundPlugin]) -> list[FoundPlugin]:
    trees = [
        plugin_tree(found.name, found.plugin.migrations)
        for found in examined
        if found.plugin is not None and found.plugin.migrations is not None
    ]
    problems = {
        state.owner: problem_of(state.problem, remedy=_UPGRADE)
        for state in await survey_schemas(engine, trees)
        if state.problem is not None
    }
    return [
        found.failed(problems[found.name])
        if found.plugin is not None and found.name in problems
        else found
        for found in examined
    ]


def _report(
    found: Sequence[FoundPlugin], troubles: list[WorkerTrouble], unasked: str | None
) -> _Report:
    return _Report(
        well=not troubles and not any(plugin.status.is_broken for plugin in found),
        plugins=[
            _Patient(
                name=plugin.name,
                distribution=plugin.distribution,
                version=plugin.version,
                status=plugin.status,
                problems=[
                    _Symptom(
                        phase=item.phase,
                        message=item.message,
                        remedy=item.remedy,
                        traceback=item.traceback,
                    )
                    for item in plugin.problems
                ],
            )
            for plugin in found
        ],
        workers=troubles,
        workers_unasked=unasked,
    )


def _print(report: _Report, name: str | None) -> None:
    for patient in report.plugins:
        if name is not None or patient.status is not PluginStatus.ACTIVE:
            _print_patient(patient)
    for trouble in report.workers:
        where = ", ".join(trouble.workers)
        _say(f"[bold]{escape(trouble.plugin)}[/bold]  in the worker {escape(where)}")
        _say(f"  [red]{escape(trouble.reason)}[/red]")
        _say(f"  → See that worker's log. {_next_try(trouble)}")
    if report.workers_unasked is not None:
        _say(f"Tables and live workers were not looked at: {escape(report.workers_unasked)}")
    if report.well:
        _say(f"[green]Nothing is broken.[/green] {len(report.plugins)} plugins were looked at.")
    _say("What an API process alone has met since it started is at its GET /api/plugins.")


def _next_try(trouble: WorkerTrouble) -> str:
    if trouble.reason.startswith("hook:"):
        return "The plugin is tried again five minutes after its hooks failed."
    return "The plugin is tried again when that worker is started again."


def _print_patient(patient: _Patient) -> None:
    colour = "red" if patient.status.is_broken else "green"
    _say(
        f"[bold]{escape(patient.name)}[/bold]  {escape(patient.distribution)} "
        f"{escape(patient.version)}  [{colour}]{patient.status}[/{colour}]"
    )
    for symptom in patient.problems:
        _say(f"  {symptom.phase}: {escape(symptom.message)}")
        _say(f"  → {escape(symptom.remedy)}")
        for line in (symptom.traceback or "").splitlines():
            _say(f"    {escape(line)}")


def _say(line: str) -> None:
    out.print(line, soft_wrap=True, highlight=False)
