"""The port through which a plugin looks at an uploaded file before it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ticketgen.findings import Finding
from ticketgen.ports import Contributions

__all__ = ["InspectedSheet", "Inspection", "UploadInspector"]


@dataclass(frozen=True, kw_only=True)
class InspectedSheet:
    """One sheet of an uploaded file, as it is to be stored."""

    name: str
    """The file's name; for one of a workbook `{file name}/{name of the sheet}`."""
    csv_type: str
    row_count: int
    """Rows below the header, blank ones left out."""
    content: bytes
    """What is stored: a CSV file as it came, the sheet of a workbook as CSV in UTF-8."""
    confidence: float
    """How sure the type is, from 0 to 1; 1 if somebody chose it."""
    detected_by: str
    """What the type was told by: `file name and header`, `file name`, `header` or `chosen`."""
    encoding: str
    """Of the file: `utf-8`, `windows-1252`, `xlsx`."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The sheets of a file, and what is wrong in it; without any it is refused."""

    sheets: tuple[InspectedSheet, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UploadInspector:
    """Decides of which type a file is, or why it is none.

    `inspect` gets the file's name, its bytes, the types the user chose (name of a sheet to name
    of a type; what is missing is detected), and the contributions, among them the known types.
    It is called in a thread. The first installed inspector that finds a sheet decides.
    """

    name: str
    inspect: Callable[[str, bytes, Mapping[str, str], Contributions], Inspection]
    workbook_endings: tuple[str, ...] = ()
    """Of names of files that hold several sheets, in lower case: `.xlsx`. Such a file may be as
    large as all files of a session together; each of its sheets keeps the limit of a file."""
