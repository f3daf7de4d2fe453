"""`ticketgen demo`: the main job from sheets to exported tickets, on servers of its own."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ticketgen.cli.account import temporary_token
from ticketgen.cli.client import ApiProblemError
from ticketgen.cli.demo_report import Made, report
from ticketgen.cli.exported import require_free, unpack
from ticketgen.cli.journey import Journey, journey
from ticketgen.cli.local import LocalSystem, local_system
from ticketgen.cli.rehearsals import ChosenRehearsal, find_rehearsal
from ticketgen.cli.safe import Safe, safe_overrides
from ticketgen.cli.sheets import read_folder
from ticketgen.cli.showing import tell
from ticketgen.console import fail, out, run
from ticketgen.errors import ConfigurationError, TicketgenError
from ticketgen.provides import OpenRehearsal
from ticketgen.registry import Registry, load_registry
from ticketgen.sample import sample_files
from ticketgen.settings import load_settings

__all__ = ["demo"]

_CHECK = "processing.check"
_EXPORT = "export"
_STAGES = (
    (_CHECK, "Check"),
    ("processing", "Generate"),
    ("adf_validation", "Validate"),
    (_EXPORT, "Export"),
)
_TARGET = "file"
_REASON = "Accepted by `ticketgen demo`, to show how tickets tell of it."


def demo(
    spec: Annotated[
        Path | None,
        typer.Option(help="Folder with sheets; default: the sample that comes along."),
    ] = None,
    target: Annotated[
        str, typer.Option(help="Where to: file, jira-stub, or what a plugin offers.")
    ] = _TARGET,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for what is made; default: ticketgen-export, or ticketgen-TARGET.",
            show_default=False,
        ),
    ] = None,
    safe: Safe = False,
) -> None:
    """Turn a specification into validated, exported tickets, and show how.

    Starts Postgres, Valkey, the API and a worker as real processes in a temporary folder, goes
    through upload, check, generation, validation and export as any client would, and stops all of
    it. Errors in the sheets are accepted as they are, and said. `--target jira-stub` exports to a
    stand-in for Jira Cloud instead of files.
    """
    folder = out_dir or Path("ticketgen-export" if target == _TARGET else f"ticketgen-{target}")
    try:
        files = read_folder(spec) if spec else sample_files()
        registry = load_registry(load_settings(**safe_overrides(safe)))
        _require_tasks(registry)
        rehearsal = find_rehearsal(registry, target)
        require_free(folder)
    except TicketgenError as error:
        fail(error)
    try:
        name = spec.resolve().name if spec else "Tidemark Museum"
        made = run(_told(_Demo(name, files, rehearsal, folder), safe))
    except asyncio.CancelledError:
        raise typer.Exit(128 + signal.SIGTERM) from None
    report(made, len(files), folder)


@dataclass(frozen=True)
class _Demo:
    """What it is to be made of, where it is to be sent, and where it is written."""

    name: str
    files: dict[str, bytes]
    rehearsal: ChosenRehearsal
    folder: Path


def _end_on_sigterm() -> None:
    """Let SIGTERM do what Ctrl-C does: end the work, and clean up."""
    working = asyncio.current_task()
    assert working is not None  # noqa: S101 - called from a coroutine
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)


async def _told(demo: _Demo, safe: bool) -> Made:
    """The demo, whose refusals are told with every finding."""
    try:
        return await _made(demo, safe)
    except ApiProblemError as problem:
        tell(problem)


async def _made(demo: _Demo, safe: bool) -> Made:
    _end_on_sigterm()
    async with _system(safe) as system:
        token = await temporary_token(system.settings)
        async with journey(system.url, token) as client, demo.rehearsal.opened(client) as opened:
            return await _travel(client, demo, opened)


@asynccontextmanager
async def _system(safe: bool) -> AsyncIterator[LocalSystem]:
    """Everything the demo needs, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="ticketgen-demo-") as directory:
        stack = AsyncExitStack()
        try:
            with out.status("Starting Postgres, Valkey, the API and a worker …"):
                system = await stack.enter_async_context(
                    local_system(
                        Path(directory), host="127.0.0.1", port=0, durable=False, safe=safe
                    )
                )
            yield system
        finally:
            with out.status("Stopping …"):
                await stack.aclose()


async def _travel(client: Journey, demo: _Demo, opened: OpenRehearsal) -> Made:
    session_id = await client.begin(demo.name, "Made by `ticketgen demo`.", **opened.session)
    export = {"target": demo.rehearsal.rehearsal.target, "options": dict(opened.options)}
    summaries: dict[str, dict[str, Any]] = {}
    accepted: list[dict[str, Any]] = []
    with _progress() as progress:
        upload = progress.add_task("Upload", total=100, stage="")
        bars = {task: progress.add_task(label, total=100, stage="") for task, label in _STAGES}
        await client.upload(session_id, demo.files)
        progress.update(upload, completed=100, stage=f"{len(demo.files)} files")
        for task, _ in _STAGES:
            request = export if task == _EXPORT else {}
            summaries[task] = await client.follow(session_id, task, progress, bars[task], request)
            if task == _CHECK:
                accepted = await client.accept_errors(session_id, _REASON)
    tickets = await client.tickets(session_id)
    has_files = bool(summaries[_EXPORT]["files"])
    return Made(
        summaries=summaries,
        tickets=tickets,
        sample=await client.call("GET", f"/api/sessions/{session_id}/tickets/{_typical(tickets)}"),
        files=unpack(await client.download(session_id), demo.folder) if has_files else [],
        findings=await client.findings(session_id),
        accepted=accepted,
        rehearsed=await demo.rehearsal.report(opened, session_id),
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[stage]}"),
        console=out,
    )


def _require_tasks(registry: Registry) -> None:
    """Refuse to begin a journey that cannot end.

    Raises:
        ConfigurationError: a plugin of the journey is not installed, or not in use.
    """
    missing = [task for task, _ in _STAGES if task not in registry.tasks]
    if missing:
        raise ConfigurationError(
            f"The demo needs the plugin {missing[0]}, which is not in use.",
            recovery_actions=["See `ticketgen plugins`, and install what is missing."],
        )


def _typical(tickets: list[dict[str, Any]]) -> str:
    """A ticket worth showing: one with child tables that fit a terminal, if there is any."""
    for csv_type in ("workflows", "views", "bundles"):
        for ticket in tickets:
            if ticket["csv_type"] == csv_type:
                return str(ticket["id"])
    return str(tickets[0]["id"])
