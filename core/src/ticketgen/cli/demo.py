"""`ticketgen demo`: the main job from sheets to exported tickets, on servers of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ticketgen.cli.account import temporary_token
from ticketgen.cli.client import ApiProblemError
from ticketgen.cli.exported import require_free, unpack
from ticketgen.cli.journey import Journey, journey
from ticketgen.cli.local import local_system
from ticketgen.cli.printable import one_line, printable
from ticketgen.cli.safe import Safe, safe_overrides
from ticketgen.cli.sheets import read_folder
from ticketgen.cli.showing import say, say_findings, tell
from ticketgen.console import fail, out, run
from ticketgen.errors import ConfigurationError, TicketgenError
from ticketgen.registry import Registry, load_registry
from ticketgen.sample import sample_files
from ticketgen.settings import load_settings

__all__ = ["demo"]

_CHECK = "processing.check"
_STAGES = (
    (_CHECK, "Check"),
    ("processing", "Generate"),
    ("adf_validation", "Validate"),
    ("export", "Export"),
)
_SHOWN_FINDINGS = 3
_REASON = "Accepted by `ticketgen demo`, to show how tickets tell of it."


def demo(
    spec: Annotated[
        Path | None,
        typer.Option(help="Folder with sheets; default: the sample that comes along."),
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the exported files.")] = Path(
        "ticketgen-export"
    ),
    safe: Safe = False,
) -> None:
    """Turn a specification into validated, exported tickets, and show how.

    Starts Postgres, Valkey, the API and a worker as real processes in a temporary folder, goes
    through upload, check, generation, validation and export as any client would, and stops all of
    it. Errors in the sheets are accepted as they are, and said.
    """
    try:
        files = read_folder(spec) if spec else sample_files()
        _require_tasks(load_registry(load_settings(**safe_overrides(safe))))
        require_free(out_dir)
    except TicketgenError as error:
        fail(error)
    try:
        name = spec.resolve().name if spec else "Tidemark Museum"
        made = run(_told(name, files, out_dir, safe))
    except asyncio.CancelledError:
        raise typer.Exit(128 + signal.SIGTERM) from None
    _report(made, len(files), out_dir)


@dataclass(frozen=True, kw_only=True)
class _Made:
    session_id: str
    summaries: dict[str, dict[str, Any]]
    tickets: list[dict[str, Any]]
    sample: dict[str, Any]
    files: list[str]
    findings: list[dict[str, Any]]
    accepted: list[dict[str, Any]]


def _end_on_sigterm() -> None:
    """Let SIGTERM do what Ctrl-C does: end the work, and clean up."""
    working = asyncio.current_task()
    assert working is not None  # noqa: S101 - called from a coroutine
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)


async def _told(name: str, files: dict[str, bytes], out_dir: Path, safe: bool) -> _Made:
    """The demo, whose refusals are told with every finding."""
    try:
        return await _demo(name, files, out_dir, safe)
    except ApiProblemError as problem:
        tell(problem)


async def _demo(name: str, files: dict[str, bytes], out_dir: Path, safe: bool) -> _Made:
    _end_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="ticketgen-demo-") as directory:
        stack = AsyncExitStack()
        try:
            with out.status("Starting Postgres, Valkey, the API and a worker …"):
                system = await stack.enter_async_context(
                    local_system(
                        Path(directory), host="127.0.0.1", port=0, durable=False, safe=safe
                    )
                )
            token = await temporary_token(system.settings)
            async with journey(system.url, token) as client:
                return await _travel(client, name, files, out_dir)
        finally:
            with out.status("Stopping …"):
                await stack.aclose()


async def _travel(client: Journey, name: str, files: dict[str, bytes], out_dir: Path) -> _Made:
    session_id = await client.begin(name, "Made by `ticketgen demo`.")
    summaries: dict[str, dict[str, Any]] = {}
    accepted: list[dict[str, Any]] = []
    with _progress() as progress:
        upload = progress.add_task("Upload", total=100, stage="")
        bars = {task: progress.add_task(label, total=100, stage="") for task, label in _STAGES}
        await client.upload(session_id, files)
        progress.update(upload, completed=100, stage=f"{len(files)} files")
        for task, _ in _STAGES:
            summaries[task] = await client.follow(session_id, task, progress, bars[task])
            if task == _CHECK:
                accepted = await client.accept_errors(session_id, _REASON)
    tickets = await client.tickets(session_id)
    return _Made(
        session_id=session_id,
        summaries=summaries,
        tickets=tickets,
        sample=await client.call("GET", f"/api/sessions/{session_id}/tickets/{_typical(tickets)}"),
        files=unpack(await client.download(session_id), out_dir),
        findings=await client.findings(session_id),
        accepted=accepted,
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


def _report(made: _Made, file_count: int, folder: Path) -> None:
    generated = made.summaries["processing"]
    validated = made.summaries["adf_validation"]
    out.print()
    out.print(
        Panel(
            Markdown(printable(made.sample["description"]), hyperlinks=False),
            title=f"One of the tickets: {escape(one_line(made.sample['title']))}",
            title_align="left",
        )
    )
    table = Table("Group", "Tickets", title="Tickets by group", title_justify="left")
    for group, count in Counter(ticket["entity_group"] for ticket in made.tickets).items():
        table.add_row(escape(one_line(group)), str(count))
    table.add_section()
    table.add_row("all", str(generated["tickets_generated"]))
    out.print(table)
    say(
        f"{file_count} files, {sum(generated['files'].values())} rows on tickets, "
        f"{generated['dependencies']} dependencies, "
        f"{generated['errors']} errors and {generated['warnings']} warnings found in the sheets."
    )
    _report_findings(made, folder)
    say(
        f"{validated['tickets_checked']} tickets converted to ADF and checked, "
        f"{validated['tickets_failed']} failed, {validated['warnings']} warnings."
    )
    say(
        f"{made.summaries['export']['tickets_exported']} tickets exported in order of work: "
        f"{len(made.files)} files in {folder}/ (adf/, tickets.jsonl, jira-import.csv)."
    )


def _report_findings(made: _Made, folder: Path) -> None:
    """Keep all findings beside the tickets, show the first errors, and say what became of them."""
    name = folder / "findings.json"
    name.write_text(
        json.dumps(made.findings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    errors = [finding for finding in made.findings if finding["severity"] == "error"]
    say_findings(errors[:_SHOWN_FINDINGS])
    say(f"  All of them, with what to do, are in {name}.")
    for group in made.accepted:
        say(f"  Accepted as it is: {group['count']} × {group['title']} ({group['id']}).")
    if made.accepted:
        say(
            "  Errors stop a generation; the demo has accepted them, and the tickets concerned "
            "carry a note. In a session of your own, mend the sheets, or accept a group with "
            "`ticketgen findings accept`."
        )
