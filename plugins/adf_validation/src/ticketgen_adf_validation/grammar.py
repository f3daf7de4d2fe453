"""Which nodes the Atlassian Document Format allows inside which, with what marks and attributes.

The tables say for every node what it may hold and what it must carry. Some nodes
allow other marks in other places (a paragraph may be indented at the top, but not in a quote), so
a place lists its children together with the sets of marks they may wear there: a child is legal
when all of its marks belong to *one* of the sets.

Left out on purpose: `bodiedSyncBlock`, a Confluence block that Jira does not show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ticketgen_adf_validation.values import (
    ANYTHING,
    BOOLEAN,
    LEVEL,
    NOT_EMPTY,
    NUMBER,
    STRING,
    Attributes,
    array_of,
    identified,
    matching,
    number,
    one_of,
    plain,
    record,
)

__all__ = ["NODES", "Children", "MarkSets", "NodeRule", "allowed_children"]

MarkSets = tuple[frozenset[str], ...]
"""The alternatives a child may wear; an empty tuple means: no `marks` property at all."""
Children = Mapping[str, MarkSets]
"""The types of nodes a place may hold, each with its marks there."""


@dataclass(frozen=True, kw_only=True)
class NodeRule:
    """What one type of node may and must have.

    `children` None means the node has no `content`. `positions` replaces `children` where the
    place of a child decides what it may be; it then also caps how many there are.
    """

    attributes: tuple[Attributes, ...] = ()
    attributes_required: bool = False
    children: Children | None = None
    positions: tuple[Children, ...] = ()
    content_required: bool = False
    fewest: int = 0
    most: int | None = None
    free_properties: bool = False
    extra_properties: frozenset[str] = field(default=frozenset())


def _sets(*alternatives: str) -> MarkSets:
    return tuple(frozenset(alternative.split()) for alternative in alternatives)


_PERCENT = number(least=0, most=100)
_VERTICAL = one_of("top", "middle", "bottom")
_PLACEMENT = one_of(
    "wide", "full-width", "center", "wrap-right", "wrap-left", "align-end", "align-start"
)

_NO_MARKS = _sets("")
_FONT_SIZE = _sets("fontSize")
_ALIGNED_PARAGRAPH = _sets("fontSize alignment")
_TOP_PARAGRAPH = _sets("fontSize alignment", "fontSize indentation")
_TOP_HEADING = _sets("alignment", "indentation")
_TEXT_MARKS = _sets(
    "link em strong strike subsup underline textColor annotation backgroundColor",
    "code link annotation",
)
_EXTENSION = _sets("dataConsumer fragment")
_MEDIA_MARKS = _sets("dataConsumer link annotation border")

_CAPTION: Children = {
    "text": _TEXT_MARKS,
    "date": (),
    "emoji": (),
    "hardBreak": (),
    "inlineCard": (),
    "mention": (),
    "placeholder": (),
    "status": (),
}
_INLINE: Children = {**_CAPTION, "inlineExtension": _EXTENSION, "mediaInline": _MEDIA_MARKS}
_PLAIN_TEXT: Children = {"text": _NO_MARKS}
_LISTS: Children = {"bulletList": (), "orderedList": ()}
_MEDIA: Children = {"mediaSingle": _sets("link"), "mediaGroup": ()}
_CODE: Children = {"codeBlock": _NO_MARKS}

_QUOTE: Children = {
    **_LISTS, **_MEDIA, **_CODE, "paragraph": _NO_MARKS, "extension": _EXTENSION
}  # fmt: skip
_LIST_ITEM: Children = {
    **_LISTS,
    **_CODE,
    "paragraph": _FONT_SIZE,
    "taskList": (),
    "mediaSingle": _sets("link"),
    "extension": _EXTENSION,
}
_PANEL: Children = {
    **_LISTS,
    **_MEDIA,
    **_CODE,
    "paragraph": _FONT_SIZE,
    "heading": _NO_MARKS,
    "blockCard": (),
    "taskList": (),
    "decisionList": (),
    "rule": (),
    "extension": _EXTENSION,
}
_NESTED_EXPAND: Children = {
    **{name: marks for name, marks in _PANEL.items() if name != "blockCard"},
    "panel": (),
    "blockquote": (),
}
_NOT_NESTABLE: Children = {
    **_PANEL, "panel": (), "blockquote": (), "table": _sets("fragment"), "embedCard": ()
}  # fmt: skip
_BLOCK: Children = {
    **_NOT_NESTABLE,
    "paragraph": _TOP_PARAGRAPH,
    "heading": _TOP_HEADING,
    "expand": _NO_MARKS,
    "bodiedExtension": _EXTENSION,
}
_DOCUMENT: Children = {
    **_BLOCK,
    "codeBlock": _sets("breakout"),
    "expand": _sets("breakout"),
    "layoutSection": _sets("breakout"),
    "syncBlock": _sets("breakout"),
}
_CELL: Children = {
    **{name: marks for name, marks in _NOT_NESTABLE.items() if name != "table"},
    "paragraph": _ALIGNED_PARAGRAPH,
    "heading": _TOP_HEADING,
    "nestedExpand": (),
}
_TASK_BLOCK: Children = {"paragraph": _FONT_SIZE, "extension": _EXTENSION}

_ONLY_ID = (identified(),)
_LINKED = (identified("url", url=STRING), identified("data", data=ANYTHING))
_DATASOURCE = record(
    {
        "id": STRING,
        "parameters": ANYTHING,
        "views": array_of(
            record({"properties": ANYTHING, "type": STRING}, required=("type",)), shortest=1
        ),
    },
    required=("id", "parameters", "views"),
)
_INLINE_EXTENSION = {
    "extensionKey": NOT_EMPTY,
    "extensionType": NOT_EMPTY,
    "parameters": ANYTHING,
    "text": STRING,
    "localId": NOT_EMPTY,
}
_BLOCK_EXTENSION = {**_INLINE_EXTENSION, "layout": one_of("wide", "full-width", "default")}
_CELL_ATTRS = identified(
    colspan=NUMBER,
    rowspan=NUMBER,
    colwidth=array_of(NUMBER),
    background=STRING,
    valign=_VERTICAL,
)
_CODE_ATTRS = identified(language=STRING, uniqueId=STRING, wrap=BOOLEAN, hideLineNumbers=BOOLEAN)
_SYNC_ATTRS = identified("resourceId", "localId", resourceId=STRING)
_TASK_ATTRS = identified("localId", "state", state=one_of("TODO", "DONE"))


def _leaf(*attributes: Attributes) -> NodeRule:
    return NodeRule(attributes=attributes, attributes_required=True)


def _holder(
    children: Children, *attributes: Attributes, required: bool = False, most: int | None = None
) -> NodeRule:
    """A node that must hold at least one child."""
    return NodeRule(
        attributes=attributes,
        attributes_required=required,
        children=children,
        content_required=True,
        fewest=1,
        most=most,
    )


def _line(
    *attributes: Attributes, children: Children = _INLINE, required: bool = False
) -> NodeRule:
    """A node of inline content that may be absent or empty."""
    return NodeRule(attributes=attributes, attributes_required=required, children=children)


NODES: Mapping[str, NodeRule] = {
    "doc": NodeRule(
        children=_DOCUMENT, content_required=True, extra_properties=frozenset({"version"})
    ),
    "text": NodeRule(extra_properties=frozenset({"text"})),
    "paragraph": _line(identified()),
    "heading": _line(identified("level", level=LEVEL), required=True),
    "codeBlock": _line(_CODE_ATTRS, children=_PLAIN_TEXT),
    "caption": _line(identified(), children=_CAPTION),
    "taskItem": _line(_TASK_ATTRS, required=True),
    "decisionItem": _line(identified("localId", "state", state=STRING), required=True),
    "blockquote": _holder(_QUOTE, identified()),
    "bulletList": _holder({"listItem": ()}, identified()),
    "orderedList": _holder({"listItem": ()}, identified(order=number(least=0))),
    "listItem": _holder(_LIST_ITEM, identified()),
    "taskList": _holder(
        {"taskItem": (), "taskList": (), "blockTaskItem": ()}, identified("localId"), required=True
    ),
    "blockTaskItem": NodeRule(
        attributes=(_TASK_ATTRS,),
        attributes_required=True,
        positions=(_TASK_BLOCK, _TASK_BLOCK),
        content_required=True,
        fewest=1,
    ),
    "decisionList": _holder({"decisionItem": ()}, identified("localId"), required=True),
    "panel": _holder(
        _PANEL,
        identified(
            "panelType",
            panelType=one_of("info", "note", "tip", "warning", "error", "success", "custom"),
            panelIcon=STRING,
            panelIconId=STRING,
            panelIconText=STRING,
            panelColor=STRING,
        ),
        required=True,
    ),
    "expand": _holder({**_NOT_NESTABLE, "nestedExpand": ()}, identified(title=STRING)),
    "nestedExpand": _holder(_NESTED_EXPAND, identified(title=STRING), required=True),
    "table": _holder(
        {"tableRow": ()},
        plain(
            displayMode=one_of("default", "fixed"),
            isNumberColumnEnabled=BOOLEAN,
            layout=one_of("wide", "full-width", "center", "align-end", "align-start", "default"),
            localId=NOT_EMPTY,
            width=NUMBER,
        ),
    ),
    "tableRow": NodeRule(
        attributes=_ONLY_ID, children={"tableCell": (), "tableHeader": ()}, content_required=True
    ),
    "tableCell": _holder(_CELL, _CELL_ATTRS),
    "tableHeader": _holder(_CELL, _CELL_ATTRS),
    "layoutSection": NodeRule(
        attributes=_ONLY_ID,
        children={"layoutColumn": ()},
        content_required=True,
        fewest=2,
        most=3,
    ),
    "layoutColumn": _holder(
        _BLOCK, identified("width", width=_PERCENT, valign=_VERTICAL), required=True
    ),
    "bodiedExtension": _holder(
        _NOT_NESTABLE, plain("extensionKey", "extensionType", **_BLOCK_EXTENSION), required=True
    ),
    "extension": _leaf(plain("extensionKey", "extensionType", **_BLOCK_EXTENSION)),
    "inlineExtension": _leaf(plain("extensionKey", "extensionType", **_INLINE_EXTENSION)),
    "mediaGroup": _holder({"media": _MEDIA_MARKS}),
    "mediaSingle": NodeRule(
        attributes=(
            identified("layout", width=_PERCENT, layout=_PLACEMENT, widthType=one_of("percentage")),
            identified(
                "width",
                "widthType",
                "layout",
                width=number(least=0),
                layout=_PLACEMENT,
                widthType=one_of("pixel"),
            ),
        ),
        positions=({"media": _MEDIA_MARKS}, {"caption": ()}),
        content_required=True,
        fewest=1,
        free_properties=True,
    ),
    "media": _leaf(
        identified(
            "type",
            "id",
            "collection",
            type=one_of("link", "file"),
            id=NOT_EMPTY,
            alt=STRING,
            collection=STRING,
            height=NUMBER,
            occurrenceKey=NOT_EMPTY,
            width=NUMBER,
        ),
        identified(
            "type",
            "url",
            type=one_of("external"),
            alt=STRING,
            height=NUMBER,
            width=NUMBER,
            url=STRING,
        ),
    ),
    "mediaInline": _leaf(
        identified(
            "id",
            "collection",
            type=one_of("link", "file", "image"),
            id=NOT_EMPTY,
            alt=STRING,
            collection=STRING,
            occurrenceKey=NOT_EMPTY,
            width=NUMBER,
            height=NUMBER,
            data=ANYTHING,
        )
    ),
    "blockCard": _leaf(
        identified(
            "datasource", url=STRING, datasource=_DATASOURCE, width=NUMBER, layout=_PLACEMENT
        ),
        *_LINKED,
    ),
    "embedCard": _leaf(
        identified(
            "url",
            "layout",
            url=STRING,
            layout=_PLACEMENT,
            width=_PERCENT,
            originalHeight=NUMBER,
            originalWidth=NUMBER,
        )
    ),
    "inlineCard": _leaf(*_LINKED),
    "syncBlock": _leaf(_SYNC_ATTRS),
    "date": _leaf(identified("timestamp", timestamp=NOT_EMPTY)),
    "emoji": _leaf(identified("shortName", shortName=STRING, id=STRING, text=STRING)),
    "mention": _leaf(
        identified(
            "id",
            id=STRING,
            text=STRING,
            accessLevel=STRING,
            userType=one_of("DEFAULT", "SPECIAL", "APP"),
        )
    ),
    "placeholder": _leaf(identified("text", text=STRING)),
    "status": _leaf(
        identified(
            "text",
            "color",
            text=NOT_EMPTY,
            color=matching(
                r"neutral|purple|blue|red|yellow|green|#[0-9a-fA-F]{6}",
                expected="neutral, purple, blue, red, yellow, green or a color such as '#1a2b3c'",
            ),
            style=STRING,
        )
    ),
    "hardBreak": NodeRule(attributes=(identified(text=one_of("\n")),)),
    "rule": NodeRule(attributes=_ONLY_ID),
}
"""Every node that may occur, by type."""


def allowed_children(kind: str) -> Children:
    """Promise the children that a node of type `kind` may hold wherever they stand in it."""
    return NODES[kind].children or {}
