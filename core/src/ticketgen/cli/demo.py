"""`ticketgen demo`: the main job from sheets to exported tickets, on servers of its own."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import tempfile
import zipfile
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
from ticketgen.cli.journey import Journey, journey
from ticketgen.cli.local import local_system
from ticketgen.cli.safe import Safe, safe_overrides
from ticketgen.console import fail, out, run
from ticketgen.errors import ConfigurationError, InvalidInputError, TicketgenError
from ticketgen.registry import Registry, load_registry
from ticketgen.sample import sample_files
from ticketgen.settings import load_settings

__all__ = ["demo"]

_STAGES = (("processing", "Generate"), ("adf_validation", "Validate"), ("export", "Export"))
_SHOWN_FINDINGS = 3
_MARK = "tickets.jsonl"
"""A file by which a folder shows that it holds an export of ours, and may be replaced."""


def demo(
    spec: Annotated[
        Path | None,
        typer.Option(help="Folder with CSV sheets; default: the sample that comes along."),
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the exported files.")] = Path(
        "ticketgen-export"
    ),
    safe: Safe = False,
) -> None:
    """Turn a specification into validated, exported tickets, and show how.

    Starts Postgres, Valkey, the API and a worker as real processes in a temporary folder, goes
    through upload, generation, validation and export as any client would, and stops all of it.
    """
    try:
        files = _read_spec(spec) if spec else sample_files()
        _require_tasks(load_registry(load_settings(**safe_overrides(safe))))
        _require_free(out_dir)
    except TicketgenError as error:
        fail(error)
    try:
        name = spec.resolve().name if spec else "Tidemark Museum"
        made = run(_demo(name, files, out_dir, safe))
    except asyncio.CancelledError:
        raise typer.Exit(128 + signal.SIGTERM) from None
    _report(made, len(files), out_dir)


@dataclass(frozen=True, kw_only=True)
class _Made:
    session_id: str
    summaries: dict[str, dict[str, Any]]
    tickets: dict[str, Any]
    sample: dict[str, Any]
    files: list[str]
    findings: dict[str, Any]


def _end_on_sigterm() -> None:
    """Let SIGTERM do what Ctrl-C does: end the work, and clean up."""
    working = asyncio.current_task()
    assert working is not None  # noqa: S101 - called from a coroutine
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)


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
    with _progress() as progress:
        upload = progress.add_task("Upload", total=100, stage="")
        bars = {task: progress.add_task(label, total=100, stage="") for task, label in _STAGES}
        await client.upload(session_id, files)
        progress.update(upload, completed=100, stage=f"{len(files)} files")
        for task, _ in _STAGES:
            summaries[task] = await client.follow(session_id, task, progress, bars[task])
    tickets = await client.call("GET", f"/api/sessions/{session_id}/tickets")
    return _Made(
        session_id=session_id,
        summaries=summaries,
        tickets=tickets,
        sample=await client.call(
            "GET", f"/api/sessions/{session_id}/tickets/{_typical(tickets['tickets'])}"
        ),
        files=_unpack(await client.download(session_id), out_dir),
        findings=await client.call("GET", f"/api/processing/findings/{session_id}"),
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


def _read_spec(folder: Path) -> dict[str, bytes]:
    """The CSV files of a folder, by name.

    Raises:
        InvalidInputError: it is no folder, has no CSV files, or one that cannot be read.
    """
    if not folder.is_dir():
        raise InvalidInputError(
            f"{folder} is no folder.", recovery_actions=["Name the folder that holds the sheets."]
        )
    try:
        files = {
            path.name: path.read_bytes()
            for path in sorted(folder.iterdir())
            if path.suffix.lower() == ".csv" and not path.is_dir()
        }
    except OSError as error:
        raise InvalidInputError(
            f"{error.filename} cannot be read: {error.strerror}.",
            recovery_actions=["Correct the file's permissions, or take it out of the folder."],
        ) from error
    if not files:
        raise InvalidInputError(
            f"{folder} has no .csv files.",
            recovery_actions=["Save each sheet of the specification as CSV in that folder."],
        )
    return files


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


def _require_free(folder: Path) -> None:
    """Refuse to write among files that are not ours, or where nothing can be written.

    Raises:
        InvalidInputError: the folder exists and holds something else than an earlier export.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(
            f"{folder} is a file.", recovery_actions=["Choose another folder with --out."]
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise InvalidInputError(
            f"{folder} holds files that are not an export.",
            recovery_actions=["Choose an empty folder with --out."],
        )
    # Asked, not tried: a demo that fails later is to leave nothing behind.
    present = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(present, os.W_OK | os.X_OK):
        raise InvalidInputError(
            f"{present} cannot be written to.",
            recovery_actions=["Choose another folder with --out."],
        )


def _unpack(archive: bytes, folder: Path) -> list[str]:
    """Replace the export in the folder by the files of the archive; their names."""
    shutil.rmtree(folder / "adf", ignore_errors=True)
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        names = files.namelist()
        files.extractall(folder)  # zipfile itself keeps every member inside the folder
    return names


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
            Markdown(made.sample["description"]),
            title=f"One of the tickets: {escape(made.sample['title'])}",
            title_align="left",
        )
    )
    table = Table("Group", "Tickets", title="Tickets by group", title_justify="left")
    for group, count in made.tickets["groups"].items():
        table.add_row(escape(group), str(count))
    table.add_section()
    table.add_row("all", str(generated["tickets_generated"]))
    out.print(table)
    out.print(
        f"{file_count} files, {sum(generated['files'].values())} rows on tickets, "
        f"{generated['dependencies']} dependencies, "
        f"{generated['errors']} errors and {generated['warnings']} warnings found in the sheets."
    )
    _report_findings(made.findings, folder)
    out.print(
        f"{validated['tickets_checked']} tickets converted to ADF and checked, "
        f"{validated['tickets_failed']} failed, {validated['warnings']} warnings."
    )
    out.print(
        f"{made.summaries['export']['tickets_exported']} tickets exported in order of work: "
        f"{len(made.files)} files in {escape(str(folder))}/ "
        "(adf/, tickets.jsonl, jira-import.csv)."
    )


def _report_findings(report: dict[str, Any], folder: Path) -> None:
    """Keep all findings beside the tickets, and show the first errors."""
    name = folder / "findings.json"
    name.write_text(json.dumps(report["findings"], indent=2, ensure_ascii=False) + "\n")
    errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
    for finding in errors[:_SHOWN_FINDINGS]:
        place = ", ".join(
            f"{part} {finding[part]}" for part in ("row", "column") if finding.get(part)
        )
        out.print(
            f"  {escape(finding['file'] or '')} {escape(place)}: {escape(finding['message'])}"
        )
    out.print(f"  All of them, with what to do, are in {escape(str(name))}.")
