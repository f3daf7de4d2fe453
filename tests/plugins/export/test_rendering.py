"""The files of the `file` target hold every ticket, safely named, and read back as written."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from typing import Any
from uuid import UUID

import pytest

from tests.plugins.export.test_wiki_markup import doc, paragraph, shown, text
from ticketgen.provides.component import Source
from ticketgen.provides.export_target import ExportedFile, ExportTicket, Sending, SentTicket
from ticketgen_export.file_target import FILE_TARGET
from ticketgen_export.jira_csv import LONGEST_DESCRIPTION, LONGEST_SUMMARY, jira_csv, summary_of
from ticketgen_export.rendering import adf_file, adf_file_name, overview_files, zip_files

HOSTILE_TITLES = [
    "../../etc/passwd",
    "..\\..\\windows",
    "C:\\autoexec.bat",
    "/absolute",
    "a\x00b\ud800",
    "",
    "....",
    "Ärger mit Übermaß — 😀",
    "日本語",
    "x" * 500,
    "CON",
    "new\nline\ttab",
    "-rf *",
]


def ticket(number: int, **changes: Any) -> ExportTicket:
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "key": f"bundles:article_{number}",
        "position": number,
        "title": f"Content type: Article {number}",
        "description": "Some **words**.",
        "document": doc(paragraph(text("Some "), text("words", "strong"), text("."))),
        "entity_group": "Content types",
        "csv_type": "bundles",
    }
    return ExportTicket(**{**values, **changes})


def read_csv(content: bytes) -> tuple[list[str], list[list[str]]]:
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
    return header, rows


def cells(header: list[str], row: list[str], column: str) -> list[str]:
    return [cell for name, cell in zip(header, row, strict=True) if name == column and cell]


def csv_of(*tickets: ExportTicket) -> tuple[list[str], list[list[str]]]:
    return read_csv(jira_csv(tickets, file_of={one.id: adf_file_name(one) for one in tickets}))


def test_a_file_name_says_position_and_title() -> None:
    assert adf_file_name(ticket(1)) == "adf/0001-content-type-article-1.adf.json"


@pytest.mark.parametrize("title", HOSTILE_TITLES)
def test_a_hostile_title_makes_a_short_plain_name_inside_the_folder(title: str) -> None:
    name = adf_file_name(ticket(7, title=title))

    assert re.fullmatch(r"adf/0007-[a-z0-9]([a-z0-9-]*[a-z0-9])?\.adf\.json", name)
    assert len(name) < 100


def test_equal_titles_make_different_names() -> None:
    names = {adf_file_name(ticket(number, title="same")) for number in range(50)}

    assert len(names) == 50


def test_an_adf_file_holds_the_document() -> None:
    document = doc(paragraph(text("Ünïcode 😀 \u2028 \x01")))

    content = adf_file(ticket(1, document=document)).content

    assert json.loads(content) == document


def test_the_json_lines_hold_every_field_and_name_dependencies_by_reference() -> None:
    first = ticket(1, sources=(Source(file="Bundles.csv", rows=(2, 5)),), title="line\nbreak")
    second = ticket(2, depends_on=(first.id, UUID(int=99)), assignee="a@b.example", sprint="12")

    lines, _ = overview_files([second, first])

    read = [json.loads(line) for line in lines.content.decode().splitlines()]
    assert [entry["position"] for entry in read] == [1, 2]
    assert read[0]["sources"] == [{"file": "Bundles.csv", "rows": [2, 5]}]
    assert read[0]["title"] == "line\nbreak"
    assert read[1] == {
        "reference": adf_file_name(second),
        "position": 2,
        "id": str(second.id),
        "key": second.key,
        "title": second.title,
        "description": second.description,
        "entity_group": "Content types",
        "csv_type": "bundles",
        "depends_on": [adf_file_name(first), str(UUID(int=99))],
        "assignee": "a@b.example",
        "sprint": "12",
        "sources": [],
        "attachments": [],
    }


def test_two_tickets_at_one_position_are_refused() -> None:
    with pytest.raises(ValueError, match="share a position"):
        overview_files([ticket(1), ticket(2, position=1)])


def test_the_csv_reads_back_cell_by_cell() -> None:
    first = ticket(1, title='Say "hi", \n then; go')
    second = ticket(2, assignee="a@b.example", sprint="12", depends_on=(first.id,))

    header, (row, next_row) = csv_of(first, second)

    assert header == (
        ["Summary", "Issue Type", "Issue Id", "Description", "Assignee", "Sprint"]
        + ["Labels"] * 3
        + ["Blocks"]
    )
    assert row[:6] == ['Say "hi", then; go', "Task", "1", "Some *words*.", "", ""]
    assert next_row[4:6] == ["a@b.example", "12"]
    assert cells(header, row, "Labels") == ["ticketgen", "Content-types", "bundles"]


def test_a_ticket_lists_those_that_it_blocks() -> None:
    first, second = ticket(1), ticket(2, depends_on=(UUID(int=1),))
    third = ticket(3, depends_on=(first.id, second.id, first.id, UUID(int=99)))

    header, rows = csv_of(first, second, third)

    assert [cells(header, row, "Blocks") for row in rows] == [["2", "3"], ["3"], []]
    assert header.count("Blocks") == 2
    assert {len(row) for row in rows} == {len(header)}


def test_the_header_row_has_no_punctuation() -> None:
    header, _ = csv_of(ticket(1))

    assert all(re.fullmatch(r"[A-Za-z ]+", name) for name in header)


def test_no_tickets_make_a_csv_of_its_header() -> None:
    header, rows = csv_of()

    assert header[0] == "Summary"
    assert rows == []


def test_every_record_of_the_csv_ends_with_cr_lf() -> None:
    content = jira_csv([ticket(1)], file_of={})

    assert content.endswith(b"\r\n")
    assert content.count(b"\r\n") == 2
    assert not content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    "opening", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "＝", "＋", "－", "＠"]
)
def test_no_cell_opens_a_formula_and_the_words_arrive(opening: str) -> None:
    hostile = f"{opening}cmd|' /C calc'!A0"
    document = doc(paragraph(text(hostile)))
    one = ticket(1, title=hostile, document=document, assignee=hostile, sprint=hostile)

    _, (row,) = csv_of(one)

    assert all(cell[:1] not in set("=+-@\t\r\n＝＋－＠") for cell in row if cell)
    assert row[0].removeprefix("'") == hostile.strip()
    assert shown(row[3]) == hostile.strip()


def test_a_description_that_begins_with_a_rule_opens_no_formula() -> None:
    _, (row,) = csv_of(ticket(1, document=doc({"type": "rule"}, paragraph(text("x")))))

    assert row[3] == "\\\\\n----\n\nx"


@pytest.mark.parametrize("title", ["x" * 256, "😀" * 200, "word " * 100])
def test_a_long_title_is_cut_to_what_jira_takes(title: str) -> None:
    summary = summary_of(title)

    assert len(summary.encode("utf-16-le")) // 2 <= LONGEST_SUMMARY
    assert summary.endswith("…")
    assert title.startswith(summary[:-1])


def test_a_title_of_255_characters_is_not_cut() -> None:
    assert summary_of("x" * 255) == "x" * 255


def test_a_description_too_long_for_jira_names_the_file_that_holds_it() -> None:
    one = ticket(1, document=doc(paragraph(text("x" * (LONGEST_DESCRIPTION + 1)))))

    _, (row,) = csv_of(one)

    assert adf_file_name(one) in row[3]


def test_characters_that_no_importer_takes_are_replaced() -> None:
    _, (row,) = csv_of(ticket(1, title="a\x00b\ud800c"))

    assert row[0] == "a\ufffdb\ufffdc"


def test_the_same_files_make_the_same_archive_in_any_order() -> None:
    files = [adf_file(ticket(1)), adf_file(ticket(2)), *overview_files([ticket(1), ticket(2)])]

    archive = zip_files(files)

    assert archive == zip_files(reversed(files))
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == {
            file.name: file.content for file in files
        }


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "C:x", ""])
def test_an_archive_refuses_names_that_leave_their_folder(name: str) -> None:
    with pytest.raises(ValueError, match="must stay in its folder"):
        zip_files([ExportedFile(name=name, media_type="text/plain", content=b"")])


def test_an_archive_refuses_two_files_of_one_name() -> None:
    with pytest.raises(ValueError, match="two files"):
        zip_files([adf_file(ticket(1)), adf_file(ticket(1))])


def test_a_sent_ticket_survives_json_with_and_without_its_files() -> None:
    sent = SentTicket(
        ticket_id=UUID(int=1),
        reference="adf/x",
        files=(ExportedFile(name="x", media_type="application/octet-stream", content=b"\xff\x00"),),
        manual_fixes=("Assign it by hand.",),
    )

    assert SentTicket.model_validate_json(sent.model_dump_json()) == sent
    assert SentTicket.model_validate(json.loads(json.dumps(sent.model_dump(mode="json")))) == sent
    assert sent.without_files().files == ()
    assert len(sent.without_files().model_dump_json()) < 300


async def test_the_file_target_sends_each_ticket_and_completes_with_the_overview() -> None:
    tickets = [ticket(1), ticket(2, depends_on=(UUID(int=1),))]
    sending = Sending(session_id=UUID(int=5))

    sent = {one.id: await FILE_TARGET.send(one, sending) for one in tickets}
    completed = await FILE_TARGET.complete(
        tickets, {key: value.without_files() for key, value in sent.items()}, sending
    )

    assert [value.reference for value in sent.values()] == [adf_file_name(one) for one in tickets]
    assert await FILE_TARGET.send(tickets[0], sending) == sent[tickets[0].id]
    assert [file.name for file in completed.files] == ["tickets.jsonl", "jira-import.csv"]
