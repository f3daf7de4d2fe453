"""The sheets of an uploaded workbook (`.xlsx`, `.xlsm`) as CSV files, read without trusting it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ticketgen_processing.intake.decoding import UnreadableFileError
from ticketgen_processing.intake.unpacking import Archive, damaged
from ticketgen_processing.intake.workbook_texts import CellText, read_formats, read_strings
from ticketgen_processing.intake.worksheets import read_grid, written
from ticketgen_processing.intake.xml_events import Attributes, read_xml

__all__ = ["WORKBOOK_ENDINGS", "Workbook", "WorkbookSheet", "is_workbook", "open_workbook"]

WORKBOOK_ENDINGS = (".xlsx", ".xlsm")

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OTHERS = (
    ("xl/workbook.bin", "a binary workbook (.xlsb)"),
    ("content.xml", "an OpenDocument file (.ods)"),
    ("index/document.iwa", "a Numbers document"),
    ("word/document.xml", "a Word document"),
    ("ppt/presentation.xml", "a PowerPoint presentation"),
)
_MOST_SHEETS = 255
_LONGEST_NAME = 31
"""Of a sheet, as in the spreadsheet programs."""
_AS_XLSX = "Save it as an Excel workbook (.xlsx), or each sheet as CSV, and upload that."


@dataclass(frozen=True, kw_only=True)
class WorkbookSheet:
    """One sheet: its name, fit to be a part of a file's name, and where its cells are."""

    name: str
    hidden: bool
    part: str | None
    """None where it is no sheet of cells, but a chart, a dialog or a macro."""


class Workbook:
    """An open workbook; its sheets are read one at a time."""

    def __init__(self, archive: Archive, sheets: Sequence[WorkbookSheet], texts: CellText) -> None:
        """Hold what `open_workbook` has found."""
        self.sheets = tuple(sheets)
        self._archive = archive
        self._texts = texts

    def read(self, sheet: WorkbookSheet) -> tuple[bytes, tuple[str, ...]]:
        """A sheet as CSV in UTF-8, and the merged ranges whose text was given to all their rows.

        Rows keep their numbers. Numbers are without `.0`, dates ISO, booleans TRUE and FALSE,
        errors as the program shows them. A formula that was never calculated stands as a formula.

        Raises:
            UnreadableFileError: the sheet is damaged, or larger than a sheet may be.
        """
        if sheet.part is None:
            return b"", ()
        grid = read_grid(self._archive.pieces(sheet.part), f"sheet “{sheet.name}”", self._texts)
        return written(grid), tuple(grid.merged)


def is_workbook(data: bytes) -> bool:
    """Whether the bytes are for `open_workbook`: a workbook, or a file that is packed like one."""
    return data.startswith((*_ZIP, _OLE))


def open_workbook(data: bytes) -> Workbook:
    """The workbook in the bytes, measured, with its sheets in their order.

    Raises:
        UnreadableFileError: it is another kind of document, encrypted, damaged, or a bomb.
    """
    if data.startswith(_OLE):
        raise _old_document(encrypted=_ENCRYPTED in data)
    archive = Archive(data)
    part = _main_part(archive)
    related = _related(archive, part)
    sheets, from_1904 = _sheets(archive, part, related)
    by_kind = dict(related.values())
    texts = CellText(
        strings=read_strings(_pieces(archive, by_kind.get("sharedStrings"))),
        formats=read_formats(_pieces(archive, by_kind.get("styles"))),
        from_1904=from_1904,
    )
    return Workbook(archive, sheets, texts)


def _old_document(*, encrypted: bool) -> UnreadableFileError:
    if encrypted:
        return UnreadableFileError(
            "The workbook is protected with a password.",
            remedy="Save it without a password, and upload that.",
        )
    return UnreadableFileError("The file is an old Office document (.xls).", remedy=_AS_XLSX)


def _main_part(archive: Archive) -> str:
    for name, what in _OTHERS:
        if name in archive:
            raise UnreadableFileError(f"The file is no Excel workbook but {what}.", remedy=_AS_XLSX)
    if "_rels/.rels" not in archive or "[Content_Types].xml" not in archive:
        raise UnreadableFileError(
            "The file is a zip archive and no workbook.",
            remedy="Unpack it and upload the sheets inside.",
        )
    for kind, target in _related(archive, "").values():
        if kind == "officeDocument" and target in archive:
            return target
    raise damaged("it does not say where its sheets are")


def _related(archive: Archive, part: str) -> dict[str, tuple[str, str]]:
    """Identifier → kind and part of everything a part refers to inside the workbook."""
    folder, name = posixpath.split(part)
    rels = posixpath.join(folder, "_rels", f"{name}.rels")
    found: dict[str, tuple[str, str]] = {}

    def start(element: str, attributes: Attributes) -> None:
        if element != "Relationship" or attributes.get("TargetMode") == "External":
            return
        kind = attributes.get("Type", "").rpartition("/")[2]
        target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
        found[attributes.get("Id", "")] = (kind, target.lstrip("/"))

    if rels in archive:
        read_xml(archive.pieces(rels), "its list of parts", start=start)
    return found


def _sheets(
    archive: Archive, part: str, related: dict[str, tuple[str, str]]
) -> tuple[list[WorkbookSheet], bool]:
    listed: list[tuple[str, bool, str]] = []
    from_1904 = False

    def start(element: str, attributes: Attributes) -> None:
        nonlocal from_1904
        if element == "workbookPr":
            from_1904 = attributes.get("date1904", "") in {"1", "true", "on"}
        elif element == "sheet":
            local = {name.rpartition(":")[2]: value for name, value in attributes.items()}
            hidden = local.get("state", "visible") != "visible"
            listed.append((local.get("name", ""), hidden, local.get("id", "")))

    read_xml(archive.pieces(part), "its list of sheets", start=start)
    if not listed:
        raise damaged("it has no sheets")
    if len(listed) > _MOST_SHEETS:
        raise UnreadableFileError(
            f"The workbook has {len(listed):,} sheets; {_MOST_SHEETS} are the most that are read.",
            remedy="Copy the sheets that are needed into a new workbook, and upload that.",
        )
    names = _names([name for name, _, _ in listed])
    sheets = []
    for name, (_, hidden, identifier) in zip(names, listed, strict=True):
        kind, target = related.get(identifier, ("", ""))
        if not kind:
            raise damaged(f"its sheet “{name}” is missing")
        cells = kind == "worksheet"
        sheets.append(WorkbookSheet(name=name, hidden=hidden, part=target if cells else None))
    return sheets, from_1904


def _names(listed: Sequence[str]) -> Iterator[str]:
    """Names fit for a file: what a path, a line or a terminal could trip over is replaced."""
    used: set[str] = set()
    for number, name in enumerate(listed, start=1):
        plain = "".join(one if one.isprintable() and one not in "/\\" else "_" for one in name)
        plain = plain.strip()[:_LONGEST_NAME].strip()
        if not plain.strip("._ "):
            plain = f"Sheet {number}"
        unique, copy = plain, 2
        while unique.casefold() in used:
            unique, copy = f"{plain} ({copy})", copy + 1
        used.add(unique.casefold())
        yield unique


def _pieces(archive: Archive, part: str | None) -> Iterator[bytes] | None:
    return archive.pieces(part) if part is not None and part in archive else None
