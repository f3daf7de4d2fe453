"""From bytes to records: encodings, delimiters, quotation marks, and what is no CSV at all."""

from __future__ import annotations

import codecs
import tracemalloc

import pytest

from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.reading import Table, UnreadableFileError, read_table

ROLES = "Name,Machine name,Notes\nÉditeur,editor,“quoted” – 5 €\n"


def read(data: bytes | str) -> Table:
    return read_table(data.encode() if isinstance(data, str) else data, CSV_TYPES)


@pytest.mark.parametrize(
    "data",
    [
        ROLES.encode(),
        codecs.BOM_UTF8 + ROLES.encode(),
        ROLES.encode("utf-16"),
        codecs.BOM_UTF16_BE + ROLES.encode("utf-16-be"),
        ROLES.encode("utf-16-le"),
        ROLES.encode("utf-16-be"),
        ROLES.encode("utf-32"),
        ROLES.encode("cp1252"),
    ],
    ids=["utf-8", "bom", "utf-16", "utf-16-be", "no-mark-le", "no-mark-be", "utf-32", "cp1252"],
)
def test_the_same_sheet_reads_the_same_in_every_encoding(data: bytes) -> None:
    table = read(data)

    assert table.header.cells == ("Name", "Machine name", "Notes")
    assert table.records[0].cells == ("Éditeur", "editor", "“quoted” – 5 €")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_yields_known_headers(delimiter: str) -> None:
    text = delimiter.join(["Name", "Machine name", "Notes"]) + "\n"
    text += delimiter.join(["Editor", "editor", '"a, b; c"']) + "\n"

    table = read(text)

    assert table.delimiter == delimiter
    assert table.records[0].cells == ("Editor", "editor", "a, b; c")


def test_a_sheet_of_one_column_is_read_with_a_comma() -> None:
    table = read("Name\nEditor\n")

    assert table.delimiter == ","
    assert table.records[0].cells == ("Editor",)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_quoted_line_break_stays_in_its_cell_as_one_newline(ending: str) -> None:
    table = read(f'Name,Notes{ending}Editor,"first{ending}second"{ending}Author,x{ending}')

    assert [record.cells for record in table.records] == [
        ("Editor", "first\nsecond"),
        ("Author", "x"),
    ]


def test_blank_rows_are_left_out_and_the_numbers_of_the_others_stay() -> None:
    table = read("\nName,Notes\n,,\nEditor,x\n\n , \nAuthor,y\n")

    assert table.header.number == 2
    assert [(record.number, record.cells[0]) for record in table.records] == [
        (4, "Editor"),
        (7, "Author"),
    ]


@pytest.mark.parametrize("data", [b"", b"\n \r\n", codecs.BOM_UTF8, b",,,\n,,\n", b"\xa0"])
def test_an_empty_file_is_refused_and_asks_for_the_sheet(data: bytes) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        read(data)

    assert "header row" in refused.value.remedy


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04rest of a workbook", ".xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"%PDF-1.7", "PDF"),
        (b"Name,Notes\nEditor,a\x00b\n", "binary"),
        (bytes(range(1, 9)) * 50, "binary"),
        (codecs.BOM_UTF8 + b"Name\n\xff\xfe\n", "UTF-8"),
        (codecs.BOM_UTF16_LE + "Name\n\U0001f600".encode("utf-16-le")[:-2], "UTF-16"),
    ],
)
def test_what_is_no_csv_is_refused_by_what_it_is(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        read(data)

    assert said in refused.value.message
    assert refused.value.remedy


def test_a_quotation_mark_left_open_is_refused_with_its_record() -> None:
    with pytest.raises(UnreadableFileError, match="record 3"):
        read('Name,Notes\nEditor,x\nAuthor,"never closed\nAdmin,y\n')


def test_a_cell_longer_than_the_reader_takes_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match="near line 2"):
        read("Name,Notes\nEditor," + "x" * 200_000 + "\n")


def test_text_behind_a_closing_quotation_mark_is_kept_and_its_line_told() -> None:
    table = read('Name,Notes\nEditor,"a" b\n')

    assert table.records[0].cells == ("Editor", "a b")
    assert table.misquoted_line == 2


def test_a_well_quoted_sheet_has_no_misquoted_line() -> None:
    table = read('Name,Notes\nEditor,"a ""b"" c"\n')

    assert table.records[0].cells == ("Editor", 'a "b" c')
    assert table.misquoted_line is None


def test_control_characters_are_replaced_and_their_cells_told() -> None:
    table = read("Name,Notes\nEditor,a\x07b\nAuthor,tab\there\n")

    assert table.records[0].cells == ("Editor", "a\ufffdb")
    assert table.records[0].replaced == (1,)
    assert table.records[1].cells == ("Author", "tab\there")
    assert table.records[1].replaced == ()


def test_rows_padded_far_to_the_right_are_read_and_absurd_tables_refused() -> None:
    padded = read("Name,Notes\nEditor,x" + "," * 5000 + "\n")

    assert padded.records[0].cells == ("Editor", "x")
    with pytest.raises(UnreadableFileError, match="columns"):
        read("Name,Notes\n" + "x," * 5000 + "\n")


def test_bytes_of_no_known_encoding_still_become_text() -> None:
    assert read(b"Name\ncaf\x81\xe9").records[0].cells[0] != ""


@pytest.mark.parametrize(
    ("encoding", "name", "guessed"),
    [
        ("utf-8", "utf-8", False),
        ("utf-8-sig", "utf-8", False),
        ("utf-16", "utf-16", False),
        ("utf-16-be", "utf-16-be", False),
        ("utf-32-le", "utf-32-le", False),
        ("cp1252", "windows-1252", True),
    ],
)
def test_the_encoding_is_told_and_whether_it_is_a_guess(
    encoding: str, name: str, guessed: bool
) -> None:
    table = read(ROLES.encode(encoding))

    assert (table.encoding.name, table.encoding.guessed) == (name, guessed)
    assert table.encoding.word == ("Éditeur" if guessed else "")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1250", "zażółć gęślą jaźń Łódź"),
        ("cp1251", "редактор и другие роли сайта"),
        ("cp1253", "συντάκτης και άλλοι ρόλοι"),
        ("shift_jis", "編集者とそのほかの役割です"),
        ("gb18030", "编辑和其他角色的说明"),
        ("mac_roman", "Généralités très fermées"),
        ("cp1252", "it’s the editor’s – 5 €"),
    ],
)
def test_code_pages_of_other_countries_are_told_apart(encoding: str, text: str) -> None:
    table = read(f"Name,Machine name,Notes\nEditor,editor,{text}\n".encode(encoding))

    assert table.records[0].cells[2] == text


def test_what_only_the_last_bytes_of_a_large_file_show_is_seen() -> None:
    data = b"Name,Notes\n" + b"Editor,x\n" * 30_000 + "Éditeur,été à l’école\n".encode("cp1252")

    table = read(data)

    assert table.records[-1].cells == ("Éditeur", "été à l’école")


def test_the_line_of_excel_says_the_delimiter_and_is_not_counted() -> None:
    table = read("sep=|\nName|Notes\nEditor|a,b;c\n")

    assert table.delimiter == "|"
    assert (table.header.number, table.records[0].cells) == (1, ("Editor", "a,b;c"))


def test_a_title_above_the_header_is_no_header() -> None:
    table = read("Tidemark roles,,\nas of March,v2,\n\nName,Machine name,Notes\nEditor,editor,\n")

    assert [record.number for record in table.above] == [1, 2]
    assert table.header.number == 4
    assert [record.cells for record in table.records] == [("Editor", "editor")]


@pytest.mark.parametrize("rows", ["Name,Notes\nName,Machine name\n", "a,b\nc,d\n", "Name\nx\n"])
def test_a_first_row_that_could_be_the_header_is_it(rows: str) -> None:
    table = read(rows)

    assert table.header.number == 1
    assert table.above == ()


def test_a_hundred_thousand_rows_are_read_and_one_more_is_refused() -> None:
    rows = b"Name,Notes\n" + b"a,b\n" * 99_999

    assert len(read(rows).records) == 99_999
    with pytest.raises(UnreadableFileError, match="100,000 rows"):
        read(rows + b"a,b\n" * 2)


def test_memory_grows_with_what_the_file_holds_and_not_with_what_repeats() -> None:
    data = b"Name,Machine name,Notes\n" + b"Editor,editor,the same words in each\n" * 20_000

    tracemalloc.start()
    read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 6 * len(data)
