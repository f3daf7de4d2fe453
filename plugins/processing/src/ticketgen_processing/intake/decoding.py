"""In which encoding the bytes of a file are text, and its lines, a few at a time."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "CONTROL",
    "Encoding",
    "UnreadableFileError",
    "find_encoding",
    "lines_of",
    "refuse_other_formats",
]

CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What is no text, and what Postgres, XML or a terminal would choke on."""

_CHUNK = 65_536
_SAMPLE = 200_000
_LONGEST_WORD = 40
_AS_CSV = "Open it in the spreadsheet program and save it as .xlsx, or each sheet as CSV."
_MAGIC = (
    (b"PK\x03\x04", "a zip archive or a workbook (.xlsx)", _AS_CSV),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls)", _AS_CSV),
    (b"%PDF", "a PDF document", "Export the sheet itself as CSV."),
    (b"\x89PNG", "a PNG image", "Upload the sheet as CSV."),
    (b"\xff\xd8\xff", "a JPEG image", "Upload the sheet as CSV."),
    (b"GIF8", "a GIF image", "Upload the sheet as CSV."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it and upload the CSV files inside."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it and upload the CSV files inside."),
    (b"Rar!\x1a\x07", "a RAR archive", "Unpack it and upload the CSV files inside."),
    (b"{\\rtf", "an RTF document", "Upload the sheet as CSV."),
    (b"SQLite format 3\0", "a database", "Export the table as CSV."),
)
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,100}<(?:!doctype|html|head|table|\?xml)", re.IGNORECASE
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNMARKED = (
    ("utf-16-le", (0, 1, 0, 1)),
    ("utf-16-be", (1, 0, 1, 0)),
    ("utf-32-le", (0, 1, 1, 1)),
    ("utf-32-be", (1, 1, 1, 0)),
)
"""Where Latin text without a mark has its NUL bytes, of every four."""
_NOT_ASCII = re.compile(r"[^\s,;|]*[^\x00-\x7f][^\s,;|]*")
_BYTE = re.compile(rb"[\x80-\xff]")
# In the middle of a word: letters of a Macintosh, and letters of Windows.
_MAC_LETTERS = re.compile(rb"(?<=[A-Za-z])[\x80-\x91\x94-\x9b\x9d-\x9f](?=[a-z])")
_WINDOWS_LETTERS = re.compile(rb"(?<=[A-Za-z])[\xc0-\xff](?=[a-z])")


class UnreadableFileError(ValueError):
    """The bytes are no sheet; `message` says why and `remedy` what the file's owner can do."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How a file is read, and whether that is a guess."""

    codec: str
    name: str
    """As people know it: `utf-8`, `windows-1252`."""
    guessed: bool = False
    word: str = ""
    """Where it is a guess: the first word that another encoding would spell otherwise."""


def refuse_other_formats(data: bytes) -> None:
    """Let everything pass that does not say of itself that it is something else than text.

    Raises:
        UnreadableFileError: it is a document, an image, an archive or a web page.
    """
    for magic, what, remedy in _MAGIC:
        if data.startswith(magic):
            raise UnreadableFileError(f"The file is not a CSV: it is {what}.", remedy=remedy)
    if _MARKUP.match(data[:200]):
        raise UnreadableFileError(
            "The file is not a CSV: it is a web page or another XML document.", remedy=_AS_CSV
        )


def find_encoding(data: bytes) -> Encoding:
    """The encoding of a file: by its mark, as UTF-8, or as the bytes look; all of it is tried.

    Raises:
        UnreadableFileError: it is binary, or damaged in the encoding it is marked with.
    """
    claimed = _claimed(data)
    try:
        return _checked(data, claimed or "utf-8")
    except UnicodeDecodeError as error:
        if claimed is not None:
            name = _name(claimed).upper()
            raise UnreadableFileError(
                f"The file is marked as {name} but is damaged at byte {error.start}.",
                remedy="Save it again as CSV in UTF-8.",
            ) from error
    for codec in _likely(data):
        try:
            return _checked(data, codec, guessed=True)
        except (UnicodeDecodeError, LookupError):
            continue
    return _checked(data, "latin-1", guessed=True)


def lines_of(data: bytes, encoding: Encoding) -> Iterator[str]:
    """The lines of the text, every ending a newline; only one is held at a time."""
    return iter(io.TextIOWrapper(io.BytesIO(data), encoding=encoding.codec))


def _claimed(data: bytes) -> str | None:
    for bom, codec in _BOMS:
        if data.startswith(bom):
            return codec
    # The header is Latin where the rows are not.
    return _unmarked(data[:40]) or _unmarked(data[:4000])


def _unmarked(sample: bytes) -> str | None:
    """The encoding of two or four bytes a character that has its NUL bytes where these are."""
    quarter = len(sample) // 4
    if b"\0" not in sample or len(sample) < 2:
        return None
    share = [sample[place::4].count(0) / max(quarter, 1) for place in range(4)]
    for codec, nul in _UNMARKED:
        if all(one > 0.6 if wanted else one < 0.1 for one, wanted in zip(share, nul, strict=True)):
            return codec
    return None


def _checked(data: bytes, codec: str, *, guessed: bool = False) -> Encoding:
    """The encoding, if all of the file is text in it; no more than a piece is decoded at once."""
    decoder = codecs.getincrementaldecoder(codec)()
    word, seen, controls = "", 0, 0
    for start in range(0, max(len(data), 1), _CHUNK):
        text = _decoded(decoder, data, start)
        seen += len(text)
        controls += len(CONTROL.findall(text)) if start == 0 else 0
        if "\0" in text or (start == 0 and controls * 10 > seen):
            raise UnreadableFileError(
                "The file is not a CSV: it holds binary content.",
                remedy="Export the sheet as CSV in UTF-8 and upload that.",
            )
        if guessed and not word and (found := _NOT_ASCII.search(text)):
            word = found[0][:_LONGEST_WORD]
    return Encoding(codec=codec, name=_name(codec), guessed=guessed, word=word)


def _decoded(decoder: codecs.IncrementalDecoder, data: bytes, start: int) -> str:
    end = start + _CHUNK
    try:
        return decoder.decode(data[start:end], final=end >= len(data))
    except UnicodeDecodeError as error:
        # The decoder counts from the piece it was given.
        raise UnicodeDecodeError(
            error.encoding, error.object, error.start + start, error.end + start, error.reason
        ) from error


def _likely(data: bytes) -> Iterator[str]:
    """Encodings to try, the likeliest first."""
    first = _BYTE.search(data)
    start = max(0, first.start() - 1000) if first is not None else 0
    # A sample is enough to tell encodings apart, and keeps a hostile file cheap.
    sample = data[start : start + _SAMPLE]
    letters = len(_MAC_LETTERS.findall(sample))
    if letters > 2 * len(_WINDOWS_LETTERS.findall(sample)):
        yield "mac_roman"
    import chardet  # only for what is not UTF-8

    found = chardet.detect(
        sample,
        encoding_era=chardet.EncodingEra.MODERN_WEB,
        prefer_superset=True,
        compat_names=False,
    )
    if found["encoding"] is not None and not found["encoding"].startswith(("utf", "ascii")):
        yield found["encoding"]
    yield "cp1252"


def _name(codec: str) -> str:
    name = codecs.lookup(codec).name
    if name.startswith("cp125"):
        return f"windows-{name[2:]}"
    return {"utf-8-sig": "utf-8", "cp932": "shift_jis", "cp949": "euc_kr"}.get(name, name)
