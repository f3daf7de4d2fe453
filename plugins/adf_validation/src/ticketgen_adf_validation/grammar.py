"""Which nodes the Atlassian Document Format allows inside which, with what marks and attributes.

The tables say for every node what it may hold and what it must carry. Some nodes
allow other marks in other places (a paragraph may be indented at the top, but not in a quote), so
a place lists its children together with the sets of marks they may wear there: a child is legal
when all of its marks belong to *one* of the sets.

The verdict is that of Atlassian's schema, but for the `DELIBERATE_DIFFERENCES`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ticketgen_adf_validation.node_rules import (
    Children,
    NodeRule,
    holder,
    leaf,
    line,
    mark_sets,
)
from ticketgen_adf_validation.values import (
    ANYTHING,
    BOOLEAN,
    LEVEL,
    NOT_EMPTY,
    NUMBER,
    STRING,
    array_of,
    identified,
    matching,
    number,
    one_of,
    plain,
    record,
)

__all__ = [
    "DELIBERATE_DIFFERENCES",
    "NODES",
    "allowed_children",
]

DELIBERATE_DIFFERENCES: Mapping[str, str] = {
    "blockTaskItem": "The schema leaves a third block and all after it open; here there are two.",
    "bodiedSyncBlock": (
        "In it the schema takes paragraphs and headings with any marks, a mediaSingle with any "
        "content and a layoutSection of any number of columns; here they are as anywhere else."
    ),
}
"""Where this grammar refuses what the schema accepts, by the node that is the reason.

There is no document that this accepts and the schema refuses.
"""

_PERCENT = number(least=0, most=100)
_VERTICAL = one_of("top", "middle", "bottom")
_PLACEMENT = one_of(
    "wide", "full-width", "center", "wrap-right", "wrap-left", "align-end", "align-start"
)

_NO_MARKS = mark_sets("")
_FONT_SIZE = mark_sets("fontSize")
_ALIGNED_PARAGRAPH = mark_sets("fontSize alignment")
_TOP_PARAGRAPH = mark_sets("fontSize alignment", "fontSize indentation")
_TOP_HEADING = mark_sets("alignment", "indentation")
_TEXT_MARKS = mark_sets(
    "link em strong strike subsup underline textColor annotation backgroundColor",
    "code link annotation",
)
_EXTENSION = mark_sets("dataConsumer fragment")
_MEDIA_MARKS = mark_sets("dataConsumer link annotation border")

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
_MEDIA: Children = {"mediaSingle": mark_sets("link"), "mediaGroup": ()}
_CODE: Children = {"codeBlock": _NO_MARKS}

_QUOTE: Children = {
    **_LISTS, **_MEDIA, **_CODE, "paragraph": _NO_MARKS, "extension": _EXTENSION
}  # fmt: skip
_LIST_ITEM: Children = {
    **_LISTS,
    **_CODE,
    "paragraph": _FONT_SIZE,
    "taskList": (),
    "mediaSingle": mark_sets("link"),
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
    **_PANEL, "panel": (), "blockquote": (), "table": mark_sets("fragment"), "embedCard": ()
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
    "codeBlock": mark_sets("breakout"),
    "expand": mark_sets("breakout"),
    "layoutSection": mark_sets("breakout"),
    "syncBlock": mark_sets("breakout"),
    "bodiedSyncBlock": mark_sets("breakout"),
}
_SYNC_BODY: Children = {
    **{
        name: marks
        for name, marks in _BLOCK.items()
        if name not in {"extension", "bodiedExtension"}
    },
    "layoutSection": mark_sets("breakout"),
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


NODES: Mapping[str, NodeRule] = {
    "doc": NodeRule(
        children=_DOCUMENT, content_required=True, extra_properties=frozenset({"version"})
    ),
    "text": NodeRule(extra_properties=frozenset({"text"})),
    "paragraph": line(_INLINE, identified()),
    "heading": line(_INLINE, identified("level", level=LEVEL), required=True),
    "codeBlock": line(_PLAIN_TEXT, _CODE_ATTRS),
    "caption": line(_CAPTION, identified()),
    "taskItem": line(_INLINE, _TASK_ATTRS, required=True),
    "decisionItem": line(_INLINE, identified("localId", "state", state=STRING), required=True),
    "blockquote": holder(_QUOTE, identified()),
    "bulletList": holder({"listItem": ()}, identified()),
    "orderedList": holder({"listItem": ()}, identified(order=number(least=0))),
    "listItem": holder(_LIST_ITEM, identified()),
    "taskList": holder(
        {"taskItem": (), "taskList": (), "blockTaskItem": ()}, identified("localId"), required=True
    ),
    "blockTaskItem": NodeRule(
        attributes=(_TASK_ATTRS,),
        attributes_required=True,
        positions=(_TASK_BLOCK, _TASK_BLOCK),
        content_required=True,
        fewest=1,
    ),
    "decisionList": holder({"decisionItem": ()}, identified("localId"), required=True),
    "panel": holder(
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
    "expand": holder({**_NOT_NESTABLE, "nestedExpand": ()}, identified(title=STRING)),
    "nestedExpand": holder(_NESTED_EXPAND, identified(title=STRING), required=True),
    "table": holder(
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
    "tableCell": holder(_CELL, _CELL_ATTRS),
    "tableHeader": holder(_CELL, _CELL_ATTRS),
    "layoutSection": NodeRule(
        attributes=_ONLY_ID,
        children={"layoutColumn": ()},
        content_required=True,
        fewest=2,
        most=3,
    ),
    "layoutColumn": holder(
        _BLOCK, identified("width", width=_PERCENT, valign=_VERTICAL), required=True
    ),
    "bodiedExtension": holder(
        _NOT_NESTABLE, plain("extensionKey", "extensionType", **_BLOCK_EXTENSION), required=True
    ),
    "extension": leaf(plain("extensionKey", "extensionType", **_BLOCK_EXTENSION)),
    "inlineExtension": leaf(plain("extensionKey", "extensionType", **_INLINE_EXTENSION)),
    "mediaGroup": holder({"media": _MEDIA_MARKS}),
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
    "media": leaf(
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
    "mediaInline": leaf(
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
    "blockCard": leaf(
        identified(
            "datasource", url=STRING, datasource=_DATASOURCE, width=NUMBER, layout=_PLACEMENT
        ),
        *_LINKED,
    ),
    "embedCard": leaf(
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
    "inlineCard": leaf(*_LINKED),
    "syncBlock": leaf(_SYNC_ATTRS),
    "bodiedSyncBlock": holder(_SYNC_BODY, _SYNC_ATTRS, required=True),
    "date": leaf(identified("timestamp", timestamp=NOT_EMPTY)),
    "emoji": leaf(identified("shortName", shortName=STRING, id=STRING, text=STRING)),
    "mention": leaf(
        identified(
            "id",
            id=STRING,
            text=STRING,
            accessLevel=STRING,
            userType=one_of("DEFAULT", "SPECIAL", "APP"),
        )
    ),
    "placeholder": leaf(identified("text", text=STRING)),
    "status": leaf(
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
