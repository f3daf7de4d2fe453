"""`ticketgen plugins doctor`: what is wrong with plugins, here and in workers, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from ticketgen.api.routes.plugins import BROKEN, WorkerTrouble, trouble_in_workers
from ticketgen.attached import attached_settings
from ticketgen.console import fail, out
from ticketgen.database import create_engine, create_session_factory
from ticketgen.discovery import FoundPlugin, PluginStatus
from ticketgen.domain import workers
from ticketgen.errors import NotFoundError, TicketgenError
from ticketgen.registry import survey_registry
from ticketgen.settings import load_settings

__all__ = ["doctor"]

_PATIENCE_SECONDS = 5.0


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
    """Why the live workers could not be asked; None if they were."""


def doctor(
    name: Annotated[str | None, typer.Argument(help="Look at this plugin only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is wrong with the plugins, with traceback and remedy; 1 if anything is.

    Works on a host that is broken. The plugins are loaded as a start would load them; live
    workers are asked what failed in them, if the database can be reached.
    """
    try:
        examined = _examined()
        chosen = _chosen(examined, name)
    except TicketgenError as error:
        fail(error)
    troubles, unasked = asyncio.run(_ask_workers(examined))
    report = _report(chosen, [item for item in troubles if name in {None, item.plugin}], unasked)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print(report, name)
    if not report.well:
        raise typer.Exit(1)


def _examined() -> list[FoundPlugin]:
    """Every installed plugin, loaded as a start would load it, its routers put together."""
    # Not at the top: every command imports this module, and only this one needs the API.
    from ticketgen.api.mounting import prove_routers

    registry = survey_registry(load_settings())
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


async def _ask_workers(examined: list[FoundPlugin]) -> tuple[list[WorkerTrouble], str | None]:
    """What live workers report, and why they could not be asked; never an error of its own."""
    try:
        settings = attached_settings()
        engine = create_engine(settings, application_name="ticketgen-doctor")
    except TicketgenError as error:
        return [], error.message
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), create_session_factory(engine)() as db:
            live = await workers.list_live_workers(db, expiry=settings.heartbeat_expiry)
    except (SQLAlchemyError, TicketgenError, OSError) as error:
        return [], f"The database does not answer as it should ({type(error).__name__})."
    finally:
        await engine.dispose()
    return trouble_in_workers(live, examined), None


def _report(
    found: Sequence[FoundPlugin], troubles: list[WorkerTrouble], unasked: str | None
) -> _Report:
    return _Report(
        well=not troubles and not any(plugin.status in BROKEN for plugin in found),
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
        _say("  → See that worker's log. It tries failing hooks again after five minutes,")
        _say("    and everything else when it is started again.")
    if report.workers_unasked is not None:
        _say(f"Live workers were not asked: {escape(report.workers_unasked)}")
    if report.well:
        _say(f"[green]Nothing is broken.[/green] {len(report.plugins)} plugins were looked at.")


def _print_patient(patient: _Patient) -> None:
    colour = "red" if patient.status in BROKEN else "green"
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
