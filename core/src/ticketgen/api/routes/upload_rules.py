"""What may be uploaded: by whom the files are looked at, when they may change, how much fits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ticketgen.api.routes.kept_sheets import KeptSheet, keep_sheets
from ticketgen.api.routes.upload_forms import SentFile, SentForm
from ticketgen.domain import sessions, task_runs
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.uploads import Stored
from ticketgen.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    TooLargeError,
)
from ticketgen.findings import Finding
from ticketgen.ports import Contributions
from ticketgen.provides import Inspection, UploadInspector
from ticketgen.settings import Settings
from ticketgen.starting import UnitOfWork

__all__ = [
    "LookedAt",
    "LookedAtFile",
    "inspect_form",
    "inspect_one",
    "inspectors_of",
    "require_open",
    "require_room",
    "workbook_endings",
]


@dataclass(frozen=True, kw_only=True)
class LookedAtFile:
    """What was found in one file of a form."""

    sheets: tuple[KeptSheet, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """The files of a form, each by its name with what was found in it."""

    files: dict[str, LookedAtFile]

    @property
    def sheets(self) -> list[tuple[str, KeptSheet]]:
        """Every sheet, with the name of the file it came with."""
        return [(name, sheet) for name, found in self.files.items() for sheet in found.sheets]

    @property
    def room(self) -> list[Stored]:
        """What the sheets take as they would be stored."""
        return [
            Stored(file=name, size=sheet.size, rows=sheet.row_count) for name, sheet in self.sheets
        ]

    @property
    def refused(self) -> list[str]:
        """The files in which there is no sheet."""
        return [name for name, found in self.files.items() if not found.sheets]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of all files."""
        return tuple(one for found in self.files.values() for one in found.findings)


async def require_open(work: UnitOfWork, session: WorkSession) -> None:
    """Let the files alone while somebody reads them, and once they have been exported.

    Raises:
        ConflictError: the session's stage or a run does not allow a change.
    """
    sessions.require_stage(
        session,
        Stage.SITE_INFO_COLLECTION,
        Stage.UPLOAD,
        Stage.REVIEW,
        doing="Changing the files",
    )
    active = await task_runs.find_active_run(work.db, session_id=session.id)
    if active is not None:
        raise ConflictError(
            f"`{active.task_type}` is at work on this session.",
            recovery_actions=[f"Wait until the run {active.id} has ended."],
        )


def inspectors_of(contributions: Contributions) -> Sequence[UploadInspector]:
    """Who can look at files.

    Raises:
        ConfigurationError: nobody can.
    """
    inspectors = contributions.provided(UploadInspector)
    if not inspectors:
        raise ConfigurationError(
            "No installed plugin can read specification sheets.",
            recovery_actions=["Ask an administrator to install ticketgen-processing."],
        )
    return inspectors


def workbook_endings(inspectors: Iterable[UploadInspector]) -> tuple[str, ...]:
    """The endings of names of files that hold several sheets."""
    return tuple(ending for one in inspectors for ending in one.workbook_endings)


async def inspect_form(
    form: SentForm,
    csv_type: str | None,
    contributions: Contributions,
    *,
    stored: Mapping[str, Stored],
    settings: Settings,
) -> LookedAt:
    """Look at one file after the other, each in a thread; its sheets are kept on a disk.

    The first file with which there is too much ends it: no more is ever kept than may be stored,
    and in memory is one file.

    Raises:
        InvalidInputError: a type is given for a sheet that is in none of the files.
        TooLargeError: a sheet, or all of them with what is `stored`, would be too large.
    """
    inspectors = inspectors_of(contributions)
    files: dict[str, LookedAtFile] = {}
    for file in form.files:
        chosen = {file.name: csv_type} if csv_type else {}
        chosen |= _of_file(file, form.types)
        files[file.name] = await asyncio.to_thread(
            _look_at, form, file, inspectors, chosen, contributions
        )
        looked_at = LookedAt(files=files)
        _require_sizes((sheet for _, sheet in looked_at.sheets), settings)
        require_room(stored, looked_at.room, settings)
    looked_at = LookedAt(files=files)
    _require_used(form.types, looked_at)
    return looked_at


def _look_at(
    form: SentForm,
    file: SentFile,
    inspectors: Sequence[UploadInspector],
    chosen: Mapping[str, str],
    contributions: Contributions,
) -> LookedAtFile:
    content = file.read()
    found = inspect_one(inspectors, file.name, content, chosen, contributions)
    return LookedAtFile(
        sheets=keep_sheets(found.sheets, content, file=file.part.file, shelf=form.shelf),
        findings=found.findings,
    )


def inspect_one(
    inspectors: Sequence[UploadInspector],
    name: str,
    content: bytes,
    chosen: Mapping[str, str],
    contributions: Contributions,
) -> Inspection:
    """What the first inspector that finds a sheet says, else what the first one refuses it for."""
    found = [one.inspect(name, content, chosen, contributions) for one in inspectors]
    return next((inspection for inspection in found if inspection.sheets), found[0])


def require_room(stored: Mapping[str, Stored], new: Sequence[Stored], settings: Settings) -> None:
    """Count what the session would have; what comes with a file replaces all that came with it.

    Raises:
        TooLargeError: too many sheets, rows or bytes.
    """
    replaced = {one.file for one in new}
    all_of_them = [*new, *(one for one in stored.values() if one.file not in replaced)]
    for has, most, what in (
        (len(all_of_them), settings.upload_max_files, "files"),
        (sum(one.rows for one in all_of_them), settings.upload_max_session_rows, "rows"),
        (sum(one.size for one in all_of_them), settings.upload_max_session_bytes, "bytes of files"),
    ):
        if has > most:
            raise TooLargeError(
                f"A session may have at most {most:,} {what}, not {has:,}.",
                recovery_actions=["Upload only the sheets the tickets are to be made from."],
            )


def _require_sizes(sheets: Iterable[KeptSheet], settings: Settings) -> None:
    """Let every sheet have the size of a file at most, also one that came with a workbook.

    Raises:
        TooLargeError: one has more bytes as it would be stored.
    """
    limit = settings.upload_max_file_bytes
    large = [f"{sheet.name} ({sheet.size:,} bytes)" for sheet in sheets if sheet.size > limit]
    if large:
        raise TooLargeError(
            f"A sheet may have at most {limit:,} bytes: {', '.join(large)}.",
            recovery_actions=["Split the sheet, or remove what does not belong to it."],
        )


def _of_file(file: SentFile, types: Mapping[str, str]) -> dict[str, str]:
    """The types given for a file or its sheets; a bare name is a sheet of any workbook."""
    chosen = {
        f"{file.name}/{sheet}": csv_type
        for sheet, csv_type in types.items()
        if file.is_workbook and "/" not in sheet and sheet != file.name
    }
    return chosen | {
        sheet: csv_type
        for sheet, csv_type in types.items()
        if sheet == file.name or sheet.startswith(f"{file.name}/")
    }


def _require_used(types: Mapping[str, str], looked_at: LookedAt) -> None:
    there = {*looked_at.files, *(sheet.name for _, sheet in looked_at.sheets)}
    there |= {finding.file for finding in looked_at.findings if finding.file is not None}
    there |= {name.rpartition("/")[2] for name in there}
    unknown = [name for name in types if name not in there]
    if unknown and not looked_at.refused:
        raise InvalidInputError(
            f"`types` names {unknown[0]!r:.120}, which is none of the sheets of this request.",
            recovery_actions=["Write the name of a file, or `workbook/sheet`, as it is listed."],
        )
