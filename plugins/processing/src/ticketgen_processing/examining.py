"""Everything that can be known of a session's sheets before a ticket is written."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ticketgen import TaskContext
from ticketgen.domain import uploads
from ticketgen.domain.uploads import Upload
from ticketgen.provides import Component, CsvType
from ticketgen_processing.building.components import build_tickets
from ticketgen_processing.errors import UnreadableUploadError
from ticketgen_processing.grouping import FindingGroup, group_findings
from ticketgen_processing.intake.parsing import Sheet, parse_sheet
from ticketgen_processing.intake.reading import UnreadableFileError, read_table

__all__ = ["Examination", "digest_of", "examine", "parse_upload", "read_and_examine"]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """The components of the sheets, and what was found in them."""

    components: tuple[Component, ...]
    groups: tuple[FindingGroup, ...]
    accepted: frozenset[str]
    """Identities of the errors that are to stay."""

    @property
    def errors(self) -> int:
        """How many errors there are, accepted or not."""
        return sum(count for group in self.groups for count in group.identities.values())

    @property
    def warnings(self) -> int:
        """How many findings are none."""
        return sum(group.count for group in self.groups) - self.errors

    @property
    def accepted_errors(self) -> int:
        """How many of the errors are to stay."""
        return self.errors - sum(open_errors(group, self.accepted) for group in self.groups)

    @property
    def blocking(self) -> tuple[FindingGroup, ...]:
        """The groups with errors that nobody has accepted."""
        return tuple(group for group in self.groups if open_errors(group, self.accepted))

    @property
    def by_group(self) -> dict[str, int]:
        """Entity group to number of components, in building order."""
        return dict(Counter(component.entity_group for component in self.components))


def open_errors(group: FindingGroup, accepted: frozenset[str]) -> int:
    """How many errors of a group nobody has accepted."""
    return sum(count for name, count in group.identities.items() if name not in accepted)


def examine(
    sheets: Sequence[Sheet], types: Sequence[CsvType], accepted: frozenset[str]
) -> Examination:
    """Build the components and put what was found into groups; for a thread, if there is much."""
    built = build_tickets(sheets, types, accepted=accepted)
    return Examination(
        components=built.components, groups=group_findings(built.findings), accepted=accepted
    )


def parse_upload(name: str, csv_type: str, content: bytes, types: Mapping[str, CsvType]) -> Sheet:
    """The rows of a stored file.

    Raises:
        UnreadableUploadError: its type is not installed any more, or it cannot be read.
    """
    if csv_type not in types:
        raise UnreadableUploadError(
            f"{name} was stored as {csv_type!r}, a type no installed plugin knows any more.",
            recovery_actions=["Choose another type for the file, or remove it."],
        )
    try:
        return parse_sheet(name, read_table(content, tuple(types.values())), types[csv_type])
    except UnreadableFileError as error:
        raise UnreadableUploadError(
            f"{name}: {error.message}", recovery_actions=[error.remedy]
        ) from error


def digest_of(files: Sequence[Upload]) -> str:
    """Equal as long as the files, their names and their types are the same."""
    parts = sorted((file.file_name, file.csv_type, file.sha256) for file in files)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


async def read_and_examine(
    ctx: TaskContext, accepted: frozenset[str], *, until: float
) -> tuple[str, Examination]:
    """Read the session's files one after the other, and examine them together.

    Answers with the digest of what was read. Progress goes from 0 to `until`. No more than the
    bytes of one file are held at a time.

    Raises:
        UnreadableUploadError: a stored file cannot be read.
    """
    types = {csv_type.name: csv_type for csv_type in ctx.contributions.provided(CsvType)}
    async with ctx.transaction() as db:
        files = await uploads.list_uploads(db, ctx.session_id)
    sheets: list[Sheet] = []
    for number, file in enumerate(files):
        await ctx.progress(
            0.8 * until * number / len(files),
            f"Reading {file.file_name}",
            file=file.file_name,
            done=number,
            of=len(files),
        )
        async with ctx.transaction() as db:
            upload = await uploads.get_upload(db, session_id=ctx.session_id, upload_id=file.id)
            content = await uploads.read_content(db, upload)
        sheets.append(
            await asyncio.to_thread(parse_upload, file.file_name, file.csv_type, content, types)
        )
    await ctx.progress(0.8 * until, "Checking what refers to what")
    examined = await asyncio.to_thread(examine, sheets, tuple(types.values()), accepted)
    await ctx.progress(until, "Checked")
    return digest_of(files), examined
