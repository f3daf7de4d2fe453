"""Workbooks for tests, put together part by part, so that each part can be wrong in its own way."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

__all__ = ["MAIN", "REL", "cell", "packed", "parts", "sheet_xml", "workbook"]

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_STYLES = (0, 14, 22, 46, 10, 164, 165)
"""Formats of the styles 0 to 6: general, date, date and time, elapsed, share, two of our own."""


def cell(value: object, *, style: int = 0) -> str:
    """The inside of a row: one cell without its place."""
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c s="{style}"><v>{value!r}</v></c>'
    text = str(value)
    if text.startswith("<c"):
        return text
    if text.startswith("#"):
        return f'<c t="e"><v>{escape(text)}</v></c>'
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def sheet_xml(
    rows: Mapping[int, Sequence[object]] | Sequence[Sequence[object]], tail: str = ""
) -> str:
    """A sheet of rows, by number or from the first."""
    numbered = rows if isinstance(rows, Mapping) else dict(enumerate(rows, start=1))
    lines = "".join(
        f'<row r="{number}">{"".join(map(cell, row))}</row>' for number, row in numbered.items()
    )
    return f'<worksheet xmlns="{MAIN}"><sheetData>{lines}</sheetData>{tail}</worksheet>'


def parts(sheets: Mapping[str, str], **states: str) -> dict[str, str | bytes]:
    """The parts of a workbook, by name; `sheets` has the XML by the name of the sheet."""
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"'
        f' state="{states.get(name, "visible")}"/>'
        for number, name in enumerate(sheets, start=1)
    )
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{REL}/worksheet" Target="worksheets/s{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    formats = "".join(f'<xf numFmtId="{number}"/>' for number in _STYLES)
    return {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" '
        f'Type="{REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets>{listed}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{related}'
        f'<Relationship Id="rS" Type="{REL}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rT" Type="{REL}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
        "</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>'
        '<numFmt numFmtId="164" formatCode="dd.mm.yyyy"/>'
        '<numFmt numFmtId="165" formatCode="0.0&quot;d&quot;"/></numFmts>'
        '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
        f"<cellXfs>{formats}</cellXfs></styleSheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"/>',
        **{
            f"xl/worksheets/s{number}.xml": xml
            for number, xml in enumerate(sheets.values(), start=1)
        },
    }


def packed(parts: Mapping[str, str | bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The parts as a zip archive."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


def workbook(sheets: Mapping[str, Sequence[Sequence[object]]], **states: str) -> bytes:
    """A workbook of sheets given as rows."""
    return packed(parts({name: sheet_xml(rows) for name, rows in sheets.items()}, **states))
