"""How facts of a sheet are put into English: lists, numbers, quotes, and an author's sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ticketgen.provides import Component, ComponentLink
from ticketgen_processing.building.drafts import usable

__all__ = [
    "closed",
    "component_named",
    "count_of",
    "exists",
    "is_yes",
    "joined",
    "noted",
    "one_line",
    "purpose",
    "quoted",
    "sentences_of",
    "split_list",
    "used_by",
]

_YES = frozenset({"y", "yes", "x", "1", "true"})
_SENTENCE_END = re.compile(
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<=[.!?])[)”\"']?\s+(?=[A-Z0-9“\"'(])|\s*\n\s*"
)
_UNSETTLED = re.compile(
    r"\b(?:tbd|tbc|not sure|likely|possibly|potentially|if possible|see if|may not"
    r"|to be (?:decided|defined|confirmed)"
    r"|needs? (?:to define|confirmation|more info(?:rmation)?))\b|\?(?:\W*$|\?)",
    re.IGNORECASE,
)
_OPEN = "To be settled"
_ENDS = (".", "!", "?", "…")
_OUTER_COMMA = re.compile(r"[,;\n](?![^()]*\))")
_LONGEST_NOTES = 2_000
_MOST_SENTENCES = 12
_FEW_NAMES = 2


def one_line(text: str) -> str:
    """The text with every run of spaces and line breaks as one space."""
    return " ".join(text.split())


def quoted(name: str) -> str:
    """A name in quotes."""
    return f"“{one_line(name)}”"


def closed(text: str) -> str:
    """The text on one line, as a sentence that has an end."""
    line = one_line(text)
    return line if line.endswith(_ENDS) else f"{line}."


def joined(parts: Sequence[str], *, word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return (
        f" {word} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
    )


def count_of(number: int, noun: str) -> str:
    """`1 field`, `2 fields`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def is_yes(text: str) -> bool:
    """Whether a cell that is a switch is on."""
    return text.casefold() in _YES


def split_list(text: str) -> list[str]:
    """The entries of a cell that lists several; commas in brackets part none."""
    return [one_line(part) for part in _OUTER_COMMA.split(text) if part.strip()]


def sentences_of(notes: str, column: str) -> list[str]:
    """The sentences of an author, each one thing to tick off; what is open is called so.

    Notes as long as an essay are left in their cell, and one sentence asks to follow them.
    """
    text = usable(notes.strip())
    parts = [closed(part) for part in _SENTENCE_END.split(text) if re.search(r"\w", part)]
    if len(text) > _LONGEST_NOTES or len(parts) > _MOST_SENTENCES:
        return [f"Everything under {quoted(column)} is done."]
    return [f"{_OPEN}: {part}" if _UNSETTLED.search(part) else part for part in parts]


def noted(component: Component, column: str) -> list[str]:
    """The sentences of the author about the whole component, as such."""
    lines = sentences_of(component.text(column), column)
    return [line if line.startswith(_OPEN) else f"As noted: {line}" for line in lines]


def exists(component: Component, more: str = "") -> str:
    """The first criterion: that it is there, under its names."""
    with_name = f" with the machine name {component.machine_name}" if component.machine_name else ""
    return one_line(
        f"The {component.label.lower()} {quoted(component.name)} exists{with_name}{more}."
    )


def purpose(component: Component) -> str:
    """` for this purpose: “…”`, in the words of the sheet; empty where it has none."""
    text = one_line(usable(component.text("Description")))
    return f" for this purpose: “{text}”" if text else ""


def component_named(link: ComponentLink) -> str:
    """`the content type “Job (job)”`."""
    label, _, name = link.title.partition(": ")
    return f"the {label.lower()} {quoted(name)}" if name else quoted(label)


def used_by(links: Iterable[ComponentLink], doing: str) -> str:
    """`, so that the content type “Job (job)” can refer to it`; empty where nothing does."""
    names = [component_named(link) for link in links]
    if not names:
        return ""
    who = (
        joined(names)
        if len(names) <= _FEW_NAMES
        else f"the {len(names)} components under “Used by”"
    )
    return f", so that {who} can {doing} it"
