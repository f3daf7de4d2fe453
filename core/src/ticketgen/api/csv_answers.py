"""Tables as CSV files for spreadsheets, sent row by row, in which no cell is run as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence

from fastapi.responses import StreamingResponse

__all__ = ["csv_answer", "csv_lines", "literal"]

_OPENS_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""With these a spreadsheet takes the text of a cell for a formula."""

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""The byte order mark, without which spreadsheets do not read UTF-8."""

_AT_ONCE = 100
"""Rows that are sent together."""


def csv_answer(rows: AsyncIterator[Sequence[object]], *, file_name: str) -> StreamingResponse:
    """A download of the rows as they come, the header first; only a few of them are held."""

    async def lines() -> AsyncIterator[bytes]:
        yield _MARK.encode()
        waiting: list[Sequence[object]] = []
        async for row in rows:
            waiting.append(row)
            if len(waiting) == _AT_ONCE:
                yield csv_lines(waiting)
                waiting = []
        yield csv_lines(waiting)

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as UTF-8 with CRLF and quotes (RFC 4180), every cell literal."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(
        [literal(cell) for cell in row] for row in rows
    )
    return written.getvalue().encode(errors="replace")


def literal(cell: object) -> str:
    """The text of a cell; one a spreadsheet would run gets an apostrophe before it."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text[:1] in _OPENS_FORMULA else text
