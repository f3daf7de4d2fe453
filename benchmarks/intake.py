"""What reading and checking sheets costs for 1,000, 10,000 and 100,000 rows: seconds and memory.

Every figure is of a process of its own. The sheets are made here: fields of bundles, as a
specification has them, with a wrong reference in one row of a hundred. `worst` are sheets whose
rows all have one name, or one parent: no specification, but it must not stop anybody. Memory is
what the process takes at most beyond what it takes before it reads.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from time import perf_counter
from xml.sax.saxutils import escape

from ticketgen_processing.building.components import build_tickets
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.grouping import group_findings
from ticketgen_processing.intake.parsing import Sheet, parse_sheet
from ticketgen_processing.intake.reading import read_table
from ticketgen_processing.intake.workbooks import open_workbook

__all__ = ["main"]

_SIZES = (1_000, 10_000, 100_000)
_STEPS = ("csv", "xlsx", "examine", "worst")
_TYPES = {csv_type.name: csv_type for csv_type in CSV_TYPES}
_FIELDS_EACH = 10
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_PARTS = {
    "[Content_Types].xml": "<Types/>",
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" '
    f'Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_REL}"><sheets>'
    '<sheet name="Fields" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" '
    f'Type="{_REL}/worksheet" Target="sheet.xml"/></Relationships>',
}


def main(arguments: list[str]) -> int:
    """Measure everything, or one step in this process (`--one`), and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intake", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=_SIZES, help="sizes to measure")
    parser.add_argument("--one", choices=_STEPS, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one is not None:
        print(json.dumps(_measured(chosen.one, chosen.rows[0])))
        return 0
    print(f"{'step':<10}{'rows':>9}{'MB':>8}{'seconds':>10}{'MiB':>8}{'µs/row':>9}{'B/row':>8}")
    for step in _STEPS:
        for rows in chosen.rows:
            command = [
                sys.executable,
                "-m",
                "benchmarks.intake",
                "--one",
                step,
                "--rows",
                str(rows),
            ]
            told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
            size, seconds, memory = json.loads(told)
            print(
                f"{step:<10}{rows:>9,}{size / 1e6:>8.1f}{seconds:>10.2f}{memory / 2**20:>8.0f}"
                f"{seconds / rows * 1e6:>9.1f}{memory / rows:>8.0f}"
            )
    return 0


def _measured(step: str, rows: int) -> tuple[int, float, int]:
    """Bytes of the file, seconds, and bytes of memory; both of the step alone."""
    data = _workbook(rows) if step == "xlsx" else _csv(rows)
    sheets = list(_sheets(step, rows))
    before = _memory()
    started = perf_counter()
    if sheets:
        group_findings(build_tickets(sheets, CSV_TYPES).findings)
    elif step == "xlsx":
        opened = open_workbook(data)
        content, _ = opened.read(opened.sheets[0])
        _sheet(content, "fields")
    else:
        _sheet(data, "fields")
    return len(data), perf_counter() - started, max(0, _memory() - before)


def _memory() -> int:
    """The most this process has ever held; Linux says it in KiB, macOS in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _sheet(data: bytes, type_name: str) -> Sheet:
    return parse_sheet(f"{type_name}.csv", read_table(data, CSV_TYPES), _TYPES[type_name])


def _sheets(step: str, rows: int) -> Iterator[Sheet]:
    if step == "examine":
        yield _sheet(_bundles(rows), "bundles")
        yield _sheet(_csv(rows), "fields")
    elif step == "worst":
        share = range(rows // 4)
        for type_name, header, line in (
            ("bundles", "Name,Machine name,Type", "Page,page_{0},Content type"),
            ("fields", "Bundle,Field label,Field type,Ref. bundle", "Page,Label,Text,Page"),
            ("workflow_states", "Workflow,Label,Machine name", "Editing,State {0},state_{0}"),
            (
                "workflow_transitions",
                "Workflow,Label,From state,To state",
                "Editing,Go {0},state_{0},state_1",
            ),
        ):
            lines = "\n".join(line.format(number) for number in share)
            yield _sheet(f"{header}\n{lines}\n".encode(), type_name)


def _bundles(rows: int) -> bytes:
    lines = [f"Bundle {n},bundle_{n},Content type" for n in range(rows // _FIELDS_EACH + 1)]
    return "\n".join(["Name,Machine name,Type", *lines]).encode()


def _rows(rows: int) -> Iterator[list[str]]:
    names = [column.name for column in _TYPES["fields"].columns]
    yield names
    last = rows // _FIELDS_EACH
    for number in range(rows):
        bundle = number // _FIELDS_EACH
        target = f"Nothing {number}" if number % 100 == 0 else f"Bundle {(bundle * 7) % last}"
        cells = {
            "Bundle": f"Bundle {bundle} (Content type)",
            "Field label": f"Related content {number}",
            "Machine name": f"field_related_{number}",
            "Field type": "Entity reference",
            "Ref. bundle": f"{target} (Content type)",
            "Req'd": "y",
            "Vals.": "1",
            "Form widget": "Autocomplete",
            "Help text": "Choose what visitors should read next.",
        }
        yield [cells.get(name, "") for name in names]


def _csv(rows: int) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(_rows(rows))
    return out.getvalue().encode()


def _workbook(rows: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in _PARTS.items():
            archive.writestr(name, part)
        with archive.open("xl/sheet.xml", "w") as sheet:
            sheet.write(f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            for number, row in enumerate(_rows(rows), start=1):
                cells = "".join(
                    f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' if cell else "<c/>"
                    for cell in row
                )
                sheet.write(f'<row r="{number}">{cells}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
    return packed.getvalue()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
