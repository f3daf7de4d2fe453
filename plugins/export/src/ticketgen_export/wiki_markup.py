"""How an ADF document reads in Jira's wiki markup, which is what its CSV importer takes.

Every text of the document is in the markup; signs that would mean something there are escaped.
What the markup cannot say is said in its nearest words: an ordered list begins at 1, merged cells
stand alone, a mention is its name. Escapes follow what Jira itself strips again: a backslash
before punctuation, a character reference where a backslash would not do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["escaped", "wiki_markup"]

Node = Mapping[str, Any]

_ALWAYS = frozenset("{}[]|")
_BETWEEN_WORDS = frozenset("*_-+^~")
"""Signs that mean nothing inside a word, as in `field_body`, and format beside its edge."""
_ENTITY = re.compile(r"&(?=#?\w+;)")
_EMOTICON = re.compile(r"\((?=(?:[yni/x!?*+-]|on|off|\*[rgby]|flag|flagoff)\))", re.IGNORECASE)
_SMILEY = re.compile(r"[:;](?=-?[()DPp](?!\w))")
_LINE_OPENING = re.compile(r"^(\s*)(#+|h[1-6]\.|bq\.)(?=\s)")
_PHRASES = {"strong": "*", "em": "_", "strike": "-", "underline": "+"}
_SUBSUP = {"sub": "~", "sup": "^"}
_LANGUAGE = re.compile(r"[A-Za-z0-9+#-]{1,30}")
_IN_ADDRESS = {" ": "%20", "|": "%7C", "[": "%5B", "]": "%5D", "{": "%7B", "}": "%7D"}
_BREAK = "\\\\ "


def wiki_markup(document: Node) -> str:
    """Promise the document as wiki markup, without blank lines at its ends."""
    return _blocks(document.get("content", ())).strip()


def escaped(text: str) -> str:
    """Promise markup that shows exactly this text."""
    signs = _ENTITY.sub("&amp;", text)
    shown: list[str] = []
    for place, sign in enumerate(signs):
        before = signs[place - 1 : place] if place else ""
        after = signs[place + 1 : place + 2]
        shown.append(_escaped_sign(sign, before, after))
    line = "".join(shown)
    line = _EMOTICON.sub(lambda found: "\\" + found.group(), line)
    line = _SMILEY.sub(lambda found: "\\" + found.group(), line)
    return _LINE_OPENING.sub(_escaped_opening, line)


def _escaped_sign(sign: str, before: str, after: str) -> str:
    if sign == "\\":
        # Two backslashes are a line break, so a backslash cannot escape itself.
        return "&#92;"
    inside_word = before.isalnum() and after.isalnum()
    if (
        sign in _ALWAYS
        or (sign in _BETWEEN_WORDS and not inside_word)
        or (sign == "!" and after != " ")
        or (sign == "?" and "?" in {before, after})
    ):
        return "\\" + sign
    return sign


def _escaped_opening(found: re.Match[str]) -> str:
    space, opening = found.groups()
    if opening.startswith("#"):
        return f"{space}\\{opening}"
    return f"{space}{opening[:-1]}&#46;"


def _blocks(nodes: Iterable[Node]) -> str:
    return "\n\n".join(text for node in nodes if (text := _block(node)))


def _block(node: Node) -> str:
    write = _BLOCKS.get(node["type"])
    if write is not None:
        return write(node)
    if node["type"] in _INLINE:
        return _inline([node])
    return _blocks(node.get("content", ()))


def _paragraph(node: Node) -> str:
    return _inline(node.get("content", ()))


def _heading(node: Node) -> str:
    return f"h{int(node['attrs']['level'])}. {_inline(node.get('content', ()))}"


def _code(node: Node) -> str:
    text = "".join(child["text"] for child in node.get("content", ()))
    if "{code" in text.lower():
        return _preformatted(text)
    language = str(node.get("attrs", {}).get("language", ""))
    opening = f"{{code:{language}}}" if _LANGUAGE.fullmatch(language) else "{code}"
    return f"{opening}\n{text}\n{{code}}"


def _preformatted(text: str) -> str:
    """Code that would end its own block: in another block, or as escaped lines if it ends both."""
    if "{noformat" not in text.lower():
        return f"{{noformat}}\n{text}\n{{noformat}}"
    return _BREAK.join(escaped(line) for line in text.split("\n"))


def _quote(node: Node) -> str:
    return f"{{quote}}\n{_blocks(node['content'])}\n{{quote}}"


def _panel(node: Node) -> str:
    title = escaped(str(node.get("attrs", {}).get("title", "")))
    opening = f"{{panel:title={title}}}" if title else "{panel}"
    return f"{opening}\n{_blocks(node['content'])}\n{{panel}}"


def _list(node: Node) -> str:
    return "\n".join(_list_lines(node, ""))


def _list_lines(node: Node, prefix: str) -> list[str]:
    bullets = prefix + ("#" if node["type"] == "orderedList" else "*")
    lines: list[str] = []
    for item in node["content"]:
        if item["type"] in _LISTS:
            lines.extend(_list_lines(item, bullets))
        elif item["type"] in {"taskItem", "decisionItem"}:
            box = {"TODO": "☐ ", "DONE": "☑ "}.get(item["attrs"].get("state"), "")
            lines.append(f"{bullets} {box}{_inline(item.get('content', ()))}")
        else:
            lines.extend(_item_lines(item, bullets))
    return lines


def _item_lines(item: Node, bullets: str) -> list[str]:
    """The blocks of one item; those after the first hang on it by forced breaks."""
    done = item.get("attrs", {}).get("state")
    line = f"{bullets} " + {"TODO": "☐ ", "DONE": "☑ "}.get(done, "")
    lines: list[str] = []
    for number, block in enumerate(item["content"]):
        if block["type"] in _LISTS:
            lines.extend(_list_lines(block, bullets))
        elif block["type"] == "paragraph" and not lines:
            line += (_BREAK if number else "") + _inline(block.get("content", ()))
        else:
            lines.append(_block(block))
    return [line, *lines]


def _table(node: Node) -> str:
    return "\n".join(_row(row) for row in node["content"])


def _row(row: Node) -> str:
    cells = row["content"]
    line = "".join(_bar(cell) + (_cell(cell) or " ") for cell in cells)
    return line + (_bar(cells[-1]) if cells else "")


def _bar(cell: Node) -> str:
    return "||" if cell["type"] == "tableHeader" else "|"


def _cell(cell: Node) -> str:
    return "\n".join(text for block in cell["content"] if (text := _block(block)))


def _inline(nodes: Sequence[Node]) -> str:
    parts: list[str] = []
    texts = [_plain(node) for node in nodes]
    for place, node in enumerate(nodes):
        before = texts[place - 1][-1:] if place else ""
        after = texts[place + 1][:1] if place + 1 < len(nodes) else ""
        parts.append(_text(node, before, after) if node["type"] == "text" else _atom(node))
    return "".join(parts)


def _plain(node: Node) -> str:
    return str(node["text"]) if node["type"] == "text" else " "


def _text(node: Node, before: str, after: str) -> str:
    """One text with its marks; braces keep marks apart from the words they touch."""
    marks = {mark["type"]: mark.get("attrs", {}) for mark in node.get("marks", ())}
    text = str(node["text"])
    if not marks:
        return escaped(text)
    core = text.strip()
    if not core:
        return text
    head, tail = text[: text.index(core)], text[text.index(core) + len(core) :]
    touching = (not head and before.isalnum()) or (not tail and after.isalnum())
    return head + _marked(core, marks, touching=touching) + tail


def _marked(text: str, marks: Mapping[str, Any], *, touching: bool) -> str:
    markup = escaped(text)
    if "code" in marks:
        markup = f"{{{{{markup}}}}}"
    signs = [sign for kind, sign in _PHRASES.items() if kind in marks]
    if "subsup" in marks:
        signs.append(_SUBSUP[marks["subsup"]["type"]])
    for sign in signs:
        markup = f"{{{sign}}}{markup}{{{sign}}}" if touching else f"{sign}{markup}{sign}"
    if "textColor" in marks:
        markup = f"{{color:{marks['textColor']['color']}}}{markup}{{color}}"
    if "link" in marks:
        markup = _link(markup, text, str(marks["link"]["href"]))
    return markup


def _link(markup: str, text: str, href: str) -> str:
    address = _address(href)
    return f"[{address}]" if text == href and markup == escaped(text) else f"[{markup}|{address}]"


def _address(href: str) -> str:
    return "".join(_IN_ADDRESS.get(sign, sign) for sign in href)


def _atom(node: Node) -> str:
    attributes = node.get("attrs", {})
    write = _INLINE.get(node["type"])
    return write(attributes) if write is not None else _inline(node.get("content", ()))


def _card(attributes: Mapping[str, Any]) -> str:
    return f"[{_address(str(attributes['url']))}]" if "url" in attributes else ""


def _date(attributes: Mapping[str, Any]) -> str:
    stamp = str(attributes["timestamp"])
    try:
        return datetime.fromtimestamp(int(stamp) / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return escaped(stamp)


def _named(*names: str) -> Callable[[Mapping[str, Any]], str]:
    """A writer of the first of these attributes that says something."""
    return lambda attributes: escaped(
        next((str(attributes[name]) for name in names if attributes.get(name)), "")
    )


_LISTS = frozenset({"bulletList", "orderedList", "taskList", "decisionList"})
_INLINE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "hardBreak": lambda _attributes: _BREAK,
    "mention": _named("text", "id"),
    "emoji": _named("text", "shortName"),
    "status": _named("text"),
    "placeholder": _named("text"),
    "date": _date,
    "inlineCard": _card,
    "blockCard": _card,
    "embedCard": _card,
    "media": _named("alt", "url", "id"),
    "mediaInline": _named("alt", "id"),
    "inlineExtension": _named("text", "extensionKey"),
    "extension": _named("text", "extensionKey"),
}
_BLOCKS: Mapping[str, Callable[[Node], str]] = {
    "text": lambda node: _inline([node]),
    "paragraph": _paragraph,
    "caption": _paragraph,
    "heading": _heading,
    "codeBlock": _code,
    "blockquote": _quote,
    "panel": _panel,
    "expand": _panel,
    "nestedExpand": _panel,
    "table": _table,
    "rule": lambda _node: "----",
    **dict.fromkeys(_LISTS, _list),
}
