"""Text files that are not as they should be, or are none."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Callable

from tests.plugins.processing.broken import Broken

__all__ = ["BROKEN_TEXTS"]

HEADER = "Name,Machine name,Type\n"
ROW = "Article,article,Content type\n"
PLAIN = HEADER + ROW


def _text(text: str, encoding: str = "utf-8") -> Callable[[], bytes]:
    return lambda: text.encode(encoding)


BROKEN_TEXTS = [
    Broken(name="UTF-8 with a mark", content=lambda: codecs.BOM_UTF8 + PLAIN.encode()),
    Broken(name="two marks", content=lambda: codecs.BOM_UTF8 * 2 + PLAIN.encode()),
    Broken(name="UTF-16", content=_text(PLAIN, "utf-16")),
    Broken(name="UTF-16 without a mark", content=_text(PLAIN, "utf-16-le")),
    Broken(name="UTF-16 the other way round", content=_text(PLAIN, "utf-16-be")),
    Broken(name="UTF-32", content=_text(PLAIN, "utf-32")),
    Broken(name="UTF-32 without a mark", content=_text(PLAIN, "utf-32-le")),
    Broken(
        name="Windows-1252",
        content=_text(HEADER + "Café “neu”,cafe,Content type\n", "cp1252"),
        rule="processing.encoding",
    ),
    Broken(
        name="Windows-1250",
        content=_text(HEADER + "Łódź zażółć gęślą jaźń,lodz,Content type\n", "cp1250"),
        rule="processing.encoding",
    ),
    Broken(
        name="Mac Roman",
        content=_text(HEADER + "Généralités très fermées,gen,Content type\n", "mac_roman"),
        rule="processing.encoding",
    ),
    Broken(
        name="Shift JIS",
        content=_text(HEADER + "編集者こんにちは,editor,Content type\n", "shift_jis"),
        rule="processing.encoding",
    ),
    Broken(
        name="damaged UTF-8",
        content=lambda: codecs.BOM_UTF8 + PLAIN.encode() + b"\xff\n",
        refused="damaged at byte",
    ),
    Broken(
        name="UTF-16 cut in half",
        content=lambda: PLAIN.encode("utf-16")[:-1],
        refused="damaged at byte",
    ),
    Broken(name="Windows line ends", content=_text(PLAIN.replace("\n", "\r\n"))),
    Broken(name="old Mac line ends", content=_text(PLAIN.replace("\n", "\r"))),
    Broken(name="no last line end", content=_text(PLAIN.rstrip())),
    Broken(name="semicolons", content=_text(PLAIN.replace(",", ";"))),
    Broken(name="tabs", content=_text(PLAIN.replace(",", "\t")), file="Bundles.tsv"),
    Broken(name="bars", content=_text(PLAIN.replace(",", "|"))),
    Broken(name="a line of Excel's", content=_text("sep=;\n" + PLAIN.replace(",", ";"))),
    Broken(name="an odd delimiter, told", content=_text("sep=^\n" + PLAIN.replace(",", "^"))),
    Broken(
        name="a title above",
        content=_text("Specification of bundles,,\n,,\n" + PLAIN),
        rule="processing.above_header",
    ),
    Broken(name="blank lines above", content=_text("\n\n,,\n" + PLAIN)),
    Broken(name="padded columns", content=_text(PLAIN.replace("\n", "," * 400 + "\n"))),
    Broken(name="padded rows", content=_text(PLAIN + ",,\n" * 1000)),
    Broken(name="headers in other words", content=_text("NAME , machine-name,TYPE:\n" + ROW)),
    Broken(
        name="headers with zero widths", content=_text("\u200bName,Machine\u00a0name,Type\n" + ROW)
    ),
    Broken(
        name="a short and a long row",
        content=_text(PLAIN + "News\nPage,page,Content type,more\n"),
        rule="processing.extra_cell",
    ),
    Broken(
        name="a header twice",
        content=_text("Name,Machine name,Type,name\nA,a,Content type,b\n"),
        rule="processing.duplicate_header",
    ),
    Broken(
        name="text behind a quotation mark",
        content=_text(HEADER + '"Art"icle,article,Content type\n'),
        rule="processing.quoting",
    ),
    Broken(
        name="an open quotation mark",
        content=_text(PLAIN + '"News,news,Content type\n'),
        refused="record 3",
    ),
    Broken(
        name="an open quotation mark in a large file",
        content=_text(PLAIN + '"News,news,Content type\n' + ROW * 6000),
        refused="Record 3",
    ),
    Broken(name="a huge cell", content=_text(HEADER + "x" * 200_000 + ",a,b\n"), refused="131,072"),
    Broken(name="501 columns", content=_text(HEADER + "x," * 501 + "\n"), refused="500 columns"),
    Broken(
        name="nothing but blank lines", content=lambda: b"\n" * 300_000, refused="200,000 lines"
    ),
    Broken(name="nothing", content=lambda: b"", refused="no text"),
    Broken(name="only delimiters", content=lambda: b",,,\n,,\n", refused="no text"),
    Broken(name="only a header", content=_text(HEADER), rule="processing.no_rows"),
    Broken(
        name="a column missing",
        content=_text("Name,Machine name\nA,a\n"),
        rule="processing.missing_column",
    ),
    Broken(
        name="a header of another type",
        content=_text("Workflow,Label,Machine name,X,Dev,QA,From state,To state,Notes,ID\na,b\n"),
        rule="processing.type_unsure",
    ),
    Broken(
        name="a header of no type", content=_text("one,two\n1,2\n"), rule="processing.type_unsure"
    ),
    Broken(
        name="prose", content=_text("Dear all,\nhere it is.\n"), file="letter.csv", refused="type"
    ),
    Broken(name="NUL", content=_text(PLAIN + "a\0b,c,d\n"), refused="binary"),
    Broken(name="noise", content=lambda: bytes(range(256)) * 20, refused="binary"),
    Broken(
        name="control characters",
        content=_text(HEADER + "Art\x07icle,article,Content type\n"),
        rule="processing.control_character",
    ),
    Broken(
        name="a line turned around",
        content=_text(HEADER + "Art\u202eelci,article,Content type\n"),
        rule="processing.invisible_character",
    ),
    Broken(
        name="a zero width in a name",
        content=_text(HEADER + "Article\u200b,article,Content type\n"),
        rule="processing.invisible_character",
    ),
    Broken(
        name="a formula",
        content=_text(HEADER + '"=HYPERLINK(""http://x"")",article,Content type\n'),
        rule="processing.formula",
    ),
    Broken(
        name="an order to a program",
        content=_text(HEADER + "=cmd|' /C calc'!A0,article,Content type\n"),
        rule="processing.formula",
    ),
    Broken(
        name="a failed formula",
        content=_text(HEADER + "Article,#REF!,Content type\n"),
        rule="processing.spreadsheet_error",
    ),
    Broken(
        name="a row of errors", content=_text(PLAIN + "#N/A,#N/A,\n"), rule="processing.error_row"
    ),
    Broken(
        name="a machine name of markup",
        content=_text(HEADER + "A,<script>,Content type\n"),
        rule="processing.machine_name",
    ),
    Broken(name="a PDF", content=lambda: b"%PDF-1.7\n", refused="PDF"),
    Broken(name="an image", content=lambda: b"\x89PNG\r\n\x1a\n", refused="PNG"),
    Broken(name="a web page", content=lambda: b"<!DOCTYPE html><table>", refused="web page"),
    Broken(name="a gzip archive", content=lambda: gzip.compress(PLAIN.encode()), refused="gzip"),
]
