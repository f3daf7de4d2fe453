"""Which files the `file` target makes of the tickets, byte for byte the same for the same tickets.

- `adf/0001-content-type-article.adf.json`: the ADF document of one ticket.
- `adf/0001-bundles-content-type-article.md`: what is to be attached to that ticket, such as the
  whole text of a description that was too long.
- `tickets.jsonl`: all tickets, one JSON object a line, in dependency order, with the fields
  `reference` (the name of its ADF file), `position`, `id`, `key`, `title`, `description`
  (Markdown), `entity_group`, `csv_type`, `depends_on` (references), `assignee`, `sprint` (null
  where there is none), `sources` (objects of `file` and `rows`) and `attachments` (names of files).
- `jira-import.csv`: the same for Jira's importer, see `jira_csv`.
"""

from __future__ import annotations

import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from ticketgen.provides import ExportedFile, ExportTicket
from ticketgen_export.jira_csv import jira_csv

__all__ = [
    "adf_file",
    "adf_file_name",
    "attached_files",
    "overview_files",
    "tickets_jsonl",
    "zip_files",
]

_LONGEST_SLUG = 60
_UNFIT = re.compile(r"[^a-z0-9]+")
_LONE_SURROGATE_OR_NUL = re.compile("[\x00\ud800-\udfff]")
_FIRST_ZIP_DAY = (1980, 1, 1, 0, 0, 0)


def adf_file_name(ticket: ExportTicket) -> str:
    """Promise a relative name in plain ASCII, unique by position, whatever the title holds."""
    ascii_title = unicodedata.normalize("NFKD", ticket.title).encode("ascii", "ignore").decode()
    slug = _UNFIT.sub("-", ascii_title.lower()).strip("-")[:_LONGEST_SLUG].strip("-")
    return f"adf/{ticket.position:04d}-{slug or 'ticket'}.adf.json"


def adf_file(ticket: ExportTicket) -> ExportedFile:
    """Promise the ADF document of one ticket as a file that a person can read."""
    return ExportedFile(
        name=adf_file_name(ticket),
        media_type="application/json",
        content=_json(ticket.document, indent=2) + b"\n",
    )


def attached_files(ticket: ExportTicket) -> tuple[ExportedFile, ...]:
    """Promise the files that belong to a ticket, beside its ADF file and numbered as it is."""
    return tuple(
        file.model_copy(update={"name": f"adf/{ticket.position:04d}-{file.name}"})
        for file in ticket.attachments
    )


def overview_files(tickets: Sequence[ExportTicket]) -> tuple[ExportedFile, ...]:
    """Promise the files about all tickets at once, tickets sorted by position.

    Raises:
        ValueError: two tickets share a position, so that files would overwrite each other.
    """
    ordered = sorted(tickets, key=lambda ticket: ticket.position)
    if len({ticket.position for ticket in ordered}) < len(ordered):
        message = "two tickets share a position; number the tickets of the session anew"
        raise ValueError(message)
    names = {ticket.id: adf_file_name(ticket) for ticket in ordered}
    return (
        ExportedFile(
            name="tickets.jsonl",
            media_type="application/x-ndjson",
            content=tickets_jsonl(ordered, reference_of=names),
        ),
        ExportedFile(
            name="jira-import.csv",
            media_type="text/csv; charset=utf-8",
            content=jira_csv(
                ordered,
                file_of=names,
                attached={
                    ticket.id: tuple(file.name for file in attached_files(ticket))
                    for ticket in ordered
                },
            ),
        ),
    )


def tickets_jsonl(tickets: Iterable[ExportTicket], *, reference_of: Mapping[UUID, str]) -> bytes:
    """Promise one JSON object a line for each ticket, in the order given.

    A dependency without a reference, on a ticket that is not exported, is named by its id.
    """
    return b"".join(_json(_fields(ticket, reference_of)) + b"\n" for ticket in tickets)


def _fields(ticket: ExportTicket, reference_of: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "reference": reference_of[ticket.id],
        "position": ticket.position,
        "id": str(ticket.id),
        "key": ticket.key,
        "title": ticket.title,
        "description": ticket.description,
        "entity_group": ticket.entity_group,
        "csv_type": ticket.csv_type,
        "depends_on": [reference_of.get(needed, str(needed)) for needed in ticket.depends_on],
        "assignee": ticket.assignee,
        "sprint": ticket.sprint,
        "sources": [{"file": source.file, "rows": list(source.rows)} for source in ticket.sources],
        "attachments": [file.name for file in attached_files(ticket)],
    }


def _json(value: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    written = json.dumps(value, ensure_ascii=False, indent=indent)
    return _LONE_SURROGATE_OR_NUL.sub("\ufffd", written).encode("utf-8")


def zip_files(files: Iterable[ExportedFile]) -> bytes:
    """Promise one archive of the files, the same bytes for the same files in any order.

    Raises:
        ValueError: a name leaves the folder, is absolute, or occurs twice.
    """
    ordered = sorted(files, key=lambda file: file.name)
    archive = io.BytesIO()
    seen: set[str] = set()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in ordered:
            _refuse_unsafe(file.name, seen)
            seen.add(file.name)
            entry = zipfile.ZipInfo(file.name, date_time=_FIRST_ZIP_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, file.content)
    return archive.getvalue()


def _refuse_unsafe(name: str, seen: set[str]) -> None:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        message = f"{name!r} is no name for a file of an export: it must stay in its folder"
        raise ValueError(message)
    if name in seen:
        message = f"two files of the export are named {name!r}"
        raise ValueError(message)
