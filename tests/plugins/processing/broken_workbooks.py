"""Workbooks that are not as they should be, or are something else, or a weapon."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.plugins.processing.broken import Broken
from tests.plugins.processing.workbooks import MAIN, packed, parts, sheet_xml, workbook

__all__ = ["BROKEN_WORKBOOKS"]

_HEAD = ["Name", "Machine name", "Type"]
_ARTICLE = ["Article", "article", "Content type"]
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def _book(
    rows: Sequence[Sequence[object]], **more: Sequence[Sequence[object]]
) -> Callable[[], bytes]:
    return lambda: workbook({"Bundles": [_HEAD, *rows], **more})


def _with(changes: Mapping[str, str | bytes | None]) -> Callable[[], bytes]:
    """A good workbook of which some parts are others, or are missing."""

    def made() -> bytes:
        all_parts: dict[str, str | bytes] = parts({"Bundles": sheet_xml([_HEAD, _ARTICLE])})
        for name, content in changes.items():
            if content is None:
                del all_parts[name]
            else:
                all_parts[name] = content
        return packed(all_parts)

    return made


def _sheet(xml: str) -> Callable[[], bytes]:
    return _with({"xl/worksheets/s1.xml": xml})


def _rows(inside: str, tail: str = "") -> Callable[[], bytes]:
    return _sheet(f'<worksheet xmlns="{MAIN}"><sheetData>{inside}</sheetData>{tail}</worksheet>')


def _merged(rows: int, *sheets: str) -> Callable[[], bytes]:
    """Each of the sheets has one long cell that is merged over so many rows."""
    xml = sheet_xml(
        [_HEAD, ["x" * 130_000, "a"], *([None, "a"] for _ in range(rows))],
        f'<mergeCells><mergeCell ref="A2:A{rows + 2}"/></mergeCells>',
    )
    return lambda: packed(parts(dict.fromkeys(sheets, xml)))


def _encrypted_entry() -> bytes:
    data = bytearray(_with({})())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    return bytes(data)


def _lying_size() -> bytes:
    """Says of itself that a part of many bytes has a hundred."""
    data = bytearray(_with({"xl/worksheets/s1.xml": sheet_xml([_HEAD, *[_ARTICLE] * 500])})())
    at = data.rfind(b"PK\x01\x02", 0, data.find(b"xl/worksheets/s1.xml", data.find(b"PK\x01\x02")))
    data[at + 24 : at + 28] = struct.pack("<I", 100)
    return bytes(data)


def _doubled_part() -> bytes:
    data = io.BytesIO(_with({})())
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("XL/worksheets\\s1.xml", sheet_xml([["Other"]]))
    return data.getvalue()


def _bzip2() -> bytes:
    return packed(parts({"Bundles": sheet_xml([_HEAD])}), method=zipfile.ZIP_BZIP2)


_BILLION = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><worksheet><sheetData>&c;</sheetData></worksheet>'
)
_OUTSIDE = (
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    "<worksheet><sheetData><row><c><v>&a;</v></c></row></sheetData></worksheet>"
)

_BOOKS = [
    Broken(name="a good workbook", content=_book([_ARTICLE])),
    Broken(name="an old workbook", content=lambda: _OLE + b"x" * 600, refused=".xls"),
    Broken(
        name="an encrypted workbook",
        content=lambda: _OLE + "EncryptedPackage".encode("utf-16-le"),
        refused="password",
    ),
    Broken(name="an encrypted part", content=_encrypted_entry, refused="password"),
    Broken(name="a zip archive", content=lambda: packed({"Bundles.csv": "x"}), refused="zip"),
    Broken(
        name="a zip archive with a path",
        content=lambda: packed({"../../etc/passwd": "x", "[Content_Types].xml": ""}),
        refused="zip",
    ),
    Broken(name="an OpenDocument", content=lambda: packed({"content.xml": ""}), refused=".ods"),
    Broken(
        name="a binary workbook", content=lambda: packed({"xl/workbook.bin": ""}), refused="xlsb"
    ),
    Broken(
        name="a Word document", content=lambda: packed({"word/document.xml": ""}), refused="Word"
    ),
    Broken(name="an empty archive", content=lambda: packed({}), refused="zip"),
    Broken(name="half a workbook", content=lambda: _with({})()[:900], refused="damaged"),
    Broken(
        name="a workbook and noise",
        content=lambda: _with({})().replace(b"PK\x05\x06", b"PK\x05\x07"),
        refused="damaged",
    ),
    Broken(
        name="a bomb",
        content=lambda: _with({"xl/media/x": bytes(40_000_000)})(),
        refused="times its size",
    ),
    Broken(
        name="ten thousand parts",
        content=lambda: packed({f"p{number}": "" for number in range(2_500)}),
        refused="parts",
    ),
    Broken(name="a part that lies about its size", content=_lying_size, refused="damaged"),
    Broken(name="a part twice", content=_doubled_part, refused="same name"),
    Broken(name="another way to pack", content=_bzip2, refused="packed"),
    Broken(name="a bomb of entities", content=_sheet(_BILLION), refused="document type"),
    Broken(name="an entity from outside", content=_sheet(_OUTSIDE), refused="document type"),
    Broken(
        name="a sheet that is no XML", content=_sheet("<worksheet><row>"), refused="no valid XML"
    ),
    Broken(
        name="a sheet without an end", content=_sheet("<a b='" + "x" * 5_000_000), refused="damaged"
    ),
    Broken(name="a deep sheet", content=_sheet("<a>" * 5_000), refused="nested"),
    Broken(name="no list of parts", content=_with({"_rels/.rels": None}), refused="zip"),
    Broken(
        name="no list of sheets",
        content=_with({"xl/workbook.xml": None}),
        refused="where its sheets",
    ),
    Broken(
        name="a list of no sheets",
        content=_with({"xl/workbook.xml": "<workbook/>"}),
        refused="no sheets",
    ),
    Broken(
        name="a sheet that is listed only",
        content=_with({"xl/worksheets/s1.xml": None}),
        refused="missing",
    ),
    Broken(
        name="a sheet from elsewhere",
        content=_with({"xl/_rels/workbook.xml.rels": "<Relationships/>"}),
        refused="missing",
    ),
    Broken(
        name="a text that is not there",
        content=_rows('<row r="1"><c t="s"><v>7</v></c></row>'),
        refused="a text that is not there",
    ),
    Broken(
        name="rows out of order",
        content=_rows('<row r="2"><c><v>1</v></c></row><row r="1"><c><v>1</v></c></row>'),
        refused="not in order",
    ),
    Broken(
        name="a cell in another row",
        content=_rows('<row r="2"><c r="A3"><v>1</v></c></row>'),
        refused="not where its row is",
    ),
    Broken(
        name="a cell beyond all columns",
        content=_rows('<row r="1"><c r="XFD1"><v>1</v></c></row>'),
        refused="beyond its column",
    ),
    Broken(
        name="a cell in the last row",
        content=_rows('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        refused="beyond",
    ),
    Broken(
        name="formats down to the last row",
        content=_rows(
            sheet_xml([_HEAD, _ARTICLE]).partition("<sheetData>")[2].partition("</sheetData>")[0]
            + '<row r="1048576"><c r="XFD1048576" s="1"/></row>'
        ),
    ),
    Broken(name="a huge cell of a workbook", content=_book([["x" * 140_000]]), refused="131,072"),
    Broken(
        name="a workbook of other sheets",
        content=lambda: workbook({"Budget": [["Month", "Costs"]], "Notes": [["x"]]}),
        refused="no sheet of a known type",
    ),
    Broken(
        name="a sheet of no type beside",
        content=_book([_ARTICLE], Budget=[["Month", "Costs"]]),
        rule="processing.sheet_left_out",
    ),
    Broken(
        name="an empty sheet beside",
        content=_book([_ARTICLE], Fields=[]),
        rule="processing.sheet_left_out",
    ),
    Broken(
        name="a hidden sheet",
        content=lambda: workbook(
            {"Bundles": [_HEAD, _ARTICLE], "Fields": [["Bundle"]]}, Fields="hidden"
        ),
        rule="processing.sheet_left_out",
    ),
    Broken(
        name="an error in a workbook",
        content=_book([["Article", "#N/A", "Content type"]]),
        rule="processing.spreadsheet_error",
    ),
    Broken(
        name="a formula without a value",
        content=_book([["Article", "<c><f>A1&amp;B1</f><v></v></c>", "Content type"]]),
        rule="processing.formula",
    ),
    Broken(
        name="merged cells",
        content=_sheet(
            sheet_xml(
                [_HEAD, _ARTICLE, ["News", "news"]],
                '<mergeCells><mergeCell ref="C2:C3"/></mergeCells>',
            )
        ),
        rule="processing.merged_cells",
    ),
    Broken(
        name="a merged cell that stands for a gigabyte",
        content=_merged(8_000, "Bundles"),
        refused="more text than can be read",
    ),
    Broken(
        name="sheets that are too much together",
        content=_merged(20, *(f"{number} Bundles" for number in range(25))),
        refused="more text than can be read",
    ),
    Broken(
        name="256 sheets",
        content=lambda: workbook({f"s{number}": [] for number in range(256)}),
        refused="256 sheets",
    ),
    Broken(
        name="a workbook in a workbook",
        content=_with({"xl/embeddings/a.xlsx": _with({})()}),
    ),
]

BROKEN_WORKBOOKS = [replace(one, file="Spec.xlsx") for one in _BOOKS]
