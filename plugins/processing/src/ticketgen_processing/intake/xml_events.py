"""The elements of an XML part as they come, without anything that could do harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from xml.parsers import expat

from ticketgen_processing.intake.unpacking import damaged

__all__ = ["Attributes", "read_xml"]

Attributes = dict[str, str]

_DEEPEST = 64
_LONGEST_TOKEN = 4 * 1024 * 1024


def read_xml(
    pieces: Iterable[bytes],
    name: str,
    *,
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Call back for every element, by its name without a prefix, and for every piece of text.

    Raises:
        UnreadableFileError: it is no XML, declares a document type (there are none in workbooks,
            and entities can grow without end), or is nested deeper than any workbook.
    """
    depth = 0

    def started(element: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise damaged(f"{name} is nested too deeply")
        start(element.rpartition(":")[2] if ":" in element else element, attributes)

    def ended(element: str) -> None:
        nonlocal depth
        depth -= 1
        if end is not None:
            end(element.rpartition(":")[2] if ":" in element else element)

    def declared(*of: object) -> None:
        raise damaged(f"{name} declares a document type")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = started
    parser.EndElementHandler = ended
    parser.StartDoctypeDeclHandler = declared
    if text is not None:
        parser.CharacterDataHandler = text
    fed = 0
    try:
        for piece in pieces:
            parser.Parse(piece, False)
            fed += len(piece)
            # What is not told yet is held: a single tag may be as long as the whole part.
            if fed - parser.CurrentByteIndex > _LONGEST_TOKEN:
                raise damaged(f"{name} has a tag that does not end")
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, UnicodeError) as error:
        raise damaged(f"{name} is no valid XML") from error
