"""Which characters of a description nobody sees, and how they are taken out or set right.

They come along when text is pasted: zero-width spaces make two machine names that look the same
differ, and the control characters of old Windows files stand where quotes and dashes were.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ticketgen import Finding, Severity
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.walking import placed_nodes

__all__ = ["CHARACTERS", "character_findings", "without_unseen"]

_CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SEPARATED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese and Khmer set words apart by the zero-width space."""
_INVISIBLE = re.compile(f"(?<![{_SEPARATED}])\u200b(?![{_SEPARATED}])|[\u00ad\u2060\ufeff]")
_SPACES = frozenset("\x0b\x0c\x1c\x1d\x1e\x1f")
"""What breaks a line or a page elsewhere."""
_MOST_NAMED = 5


def character_findings(document: object) -> tuple[Finding, ...]:
    """Promise one warning for control characters and one for invisible ones, where there are any.

    `document` is parsed JSON of any shape. The path is that of the first text that has one.
    """
    if not isinstance(document, Mapping):
        return ()
    texts = [
        (node["text"], f"{path}/text")
        for node, path in placed_nodes(document)
        if isinstance(node.get("text"), str) and not node["text"].isprintable()
    ]
    return tuple(finding for rule in _RULES for finding in _found(rule, texts))


def without_unseen(markdown: str, finding: Finding) -> str | None:
    """Promise the Markdown without the characters that a finding is about.

    None where something else of the document would change with them, such as what is a list.
    """
    rule = finding.rule.removeprefix("adf_validation.")
    if rule not in _RULES:
        return None
    from ticketgen_adf_validation.converting import markdown_to_adf

    pattern, replaced = _RULES[rule]
    # A mark of the byte order belongs to the file, not to the text.
    markdown = markdown.removeprefix("\ufeff")
    mended = pattern.sub(lambda found: replaced(found[0]), markdown)
    before, after = (_shape(markdown_to_adf(text)) for text in (markdown, mended))
    return mended if before == after else None


def _found(rule: str, texts: list[tuple[str, str]]) -> Iterator[Finding]:
    pattern, _replaced = _RULES[rule]
    hits = [(found[0], path) for text, path in texts for found in pattern.finditer(text)]
    if not hits:
        return
    names = list(dict.fromkeys(f"U+{ord(character):04X}" for character, _path in hits))
    more = ["…"] if len(names) > _MOST_NAMED else []
    kind = rule.replace("_", " ")
    yield Finding(
        severity=Severity.WARNING,
        rule=f"adf_validation.{rule}",
        message=f"The description has {len(hits)} {kind}{'s' if len(hits) > 1 else ''}.",
        remedy="Remove what nobody sees; a machine name with it in it is another name.",
        path=hits[0][1],
        value=", ".join([*names[:_MOST_NAMED], *more]),
    )


def _shape(document: Mapping[str, Any]) -> list[Any]:
    """What a document is, but for characters that nobody sees and how much space there is."""
    return [
        _bare(value) if isinstance(value, str) else {**value, "content": None}
        for node, _path in placed_nodes(document)
        for value in (node.get("text", ""), {**node, "text": None})
    ]


def _bare(text: str) -> str:
    seen = _CONTROL.sub(lambda found: _readable(found[0]), _INVISIBLE.sub("", text))
    return "".join(seen.split())


def _readable(character: str) -> str:
    """What was meant: a sign of Windows-1252, a break, or nothing."""
    if character in _SPACES:
        return " "
    if character < "\x80":
        return ""
    return bytes([ord(character)]).decode("cp1252", "ignore")


_RULES: Mapping[str, tuple[re.Pattern[str], Callable[[str], str]]] = {
    "control_character": (_CONTROL, _readable),
    "invisible_character": (_INVISIBLE, lambda _character: ""),
}

CHARACTERS = AdfCheck(
    name="characters",
    summary="Control characters and invisible ones, which can be taken out.",
    check=character_findings,
    fix=without_unseen,
)
