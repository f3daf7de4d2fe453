"""Which marks the Atlassian Document Format knows, and what each of them must carry."""

from __future__ import annotations

from collections.abc import Mapping

from ticketgen_adf_validation.values import (
    HEX_COLOR,
    LEVEL,
    NOT_EMPTY,
    NUMBER,
    STRING,
    STRINGS,
    Attributes,
    matching,
    number,
    one_of,
    plain,
)

__all__ = ["MARKS"]

MARKS: Mapping[str, Attributes | None] = {
    "alignment": plain("align", align=one_of("center", "end")),
    "annotation": plain("id", "annotationType", id=STRING, annotationType=one_of("inlineComment")),
    "backgroundColor": plain("color", color=HEX_COLOR),
    "border": plain(
        "size",
        "color",
        size=number(least=1, most=3),
        color=matching(
            r"#[0-9a-fA-F]{8}|#[0-9a-fA-F]{6}", expected="a color such as '#1a2b3c' or '#1a2b3cff'"
        ),
    ),
    "breakout": plain("mode", mode=one_of("wide", "full-width"), width=NUMBER),
    "code": None,
    "dataConsumer": plain("sources", sources=STRINGS),
    "em": None,
    "fontSize": plain("fontSize", fontSize=one_of("small")),
    "fragment": plain("localId", localId=NOT_EMPTY, name=STRING),
    "indentation": plain("level", level=LEVEL),
    "link": plain(
        "href", href=STRING, title=STRING, id=STRING, collection=STRING, occurrenceKey=STRING
    ),
    "strike": None,
    "strong": None,
    "subsup": plain("type", type=one_of("sub", "sup")),
    "textColor": plain("color", color=HEX_COLOR),
    "underline": None,
}
"""Every mark with the attributes it must carry; None where it carries none."""
