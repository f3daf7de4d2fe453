"""What is asked for a content type, vocabulary, media type, paragraph type or block type."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ticketgen.provides import Component, ComponentLink, SheetRow, WrittenText
from ticketgen_processing.building.drafts import usable
from ticketgen_processing.stories.words import (
    closed,
    count_of,
    exists,
    is_yes,
    joined,
    noted,
    one_line,
    purpose,
    quoted,
    used_by,
)

__all__ = ["bundle"]

_MOST_NAMES = 8
_FEW_FIELDS = 4
_REQUIRED = "Req'd"
_SWITCHES = (
    ("Mod.", "is moderated"),
    ("Layout", "has a layout of its own"),
    ("Trns.", "can be translated"),
    ("Migr.", "is filled by a migration"),
    ("Meta", "has meta tags"),
    ("Sched.", "can be scheduled"),
    ("Srch.", "is found by the site search"),
)
_LISTED = (
    ("Field label", "labels"),
    ("Machine name", "machine names"),
    ("Field type", "types"),
    ("Form widget", "form widgets"),
)
_OPTIONS = re.compile(r"Options(?:\s+include)?\s*:?\s+([^.]+)(?:\.|$)", re.IGNORECASE)


def bundle(component: Component) -> WrittenText:
    """For a bundle with its fields."""
    reason = purpose(component) or used_by(_listed(component, "Used by"), "refer to")
    label = component.label.lower()
    story = f"As a content editor, I want the {label} {quoted(component.name)}{reason}"
    return WrittenText(
        user_story=story if story.endswith("”") else f"{story}.",
        success_criteria=(
            exists(component),
            *_fields(component.child_rows("fields")),
            *_settings(component),
            *noted(component, "Settings/notes"),
        ),
    )


def _listed(component: Component, heading: str) -> tuple[ComponentLink, ...]:
    return tuple(
        link for listed in component.lists if listed.heading == heading for link in listed.links
    )


def _fields(fields: Sequence[SheetRow]) -> Iterator[str]:
    if not fields:
        yield "It gets no fields of its own; the specification lists none."
        return
    yield _present(fields)
    yield from _required(fields)
    yield from _several_values(fields)
    yield from _references(fields)
    yield from _options(fields)
    yield from _reused(fields)
    yield from _groups(fields)
    yield from _translated(fields)
    yield from _with_texts(fields)


def _present(fields: Sequence[SheetRow]) -> str:
    if len(fields) <= _FEW_FIELDS:
        parts = [
            f"{_name(field)} as {one_line(kind)}"
            if (kind := field.text("Field type"))
            else _name(field)
            for field in fields
        ]
        return f"It has {count_of(len(fields), 'field')}: {'; '.join(parts)}."
    given = [words for column, words in _LISTED if any(field.text(column) for field in fields)]
    return f"It has the {len(fields)} fields listed, with the {joined(given)} given there."


def _required(fields: Sequence[SheetRow]) -> Iterator[str]:
    judged = [field for field in fields if usable(field.text(_REQUIRED))]
    required = [field for field in judged if is_yes(field.text(_REQUIRED))]
    if judged and not required:
        yield "None of its fields is required."
    elif required and len(required) == len(judged) > 1:
        yield f"All of its {len(judged)} fields are required."
    elif required:
        verb = "are" if _are_several(required) else "is"
        other = "; no other field is" if len(judged) > len(required) else ""
        yield f"{_upper(_marked(required, _REQUIRED))} {verb} required{other}."


def _several_values(fields: Sequence[SheetRow]) -> Iterator[str]:
    many: dict[str, list[SheetRow]] = {}
    for field in fields:
        count = field.text("Vals.")
        if count == "*" or (count.isdecimal() and int(count) > 1):
            many.setdefault(count, []).append(field)
    for count, found in many.items():
        if count == "*":
            yield f"Any number of values can be entered in {_marked(found, 'Vals.')}."
        else:
            yield f"At most {int(count)} values can be entered in {_marked(found, 'Vals.')}."


def _references(fields: Sequence[SheetRow]) -> Iterator[str]:
    targets: dict[str, list[SheetRow]] = {}
    for field in fields:
        if target := one_line(usable(field.text("Ref. bundle"))):
            targets.setdefault(target, []).append(field)
    if len(targets) > _MOST_NAMES:
        count = sum(map(len, targets.values()))
        header = _header(fields, "Ref. bundle")
        yield f"Each of the {count} reference fields offers what {header} names, and nothing else."
    elif targets:
        parts = [
            f"{joined([_name(field) for field in found])} → {target}"
            for target, found in targets.items()
        ]
        yield f"References lead to: {closed('; '.join(parts))}"


def _options(fields: Sequence[SheetRow]) -> Iterator[str]:
    for field in fields:
        found = _OPTIONS.match(one_line(field.text("Settings/notes")))
        if found is not None and field.text("Field type").casefold().startswith("list"):
            yield f"{_name(field)} offers: {closed(found[1])}"


def _reused(fields: Sequence[SheetRow]) -> Iterator[str]:
    reused = [field for field in fields if is_yes(field.text("Reused Field"))]
    if reused:
        names = _marked(reused, "Reused Field")
        verb = "reuse fields" if _are_several(reused) else "reuses a field"
        yield f"{_upper(names)} {verb} that other bundles have."


def _groups(fields: Sequence[SheetRow]) -> Iterator[str]:
    groups = [one_line(usable(field.text("Field group"))) for field in fields]
    names = [quoted(name) for name in dict.fromkeys(filter(None, groups))]
    if names:
        header = _header(fields, "Field group")
        yield f"Those with a {header} stand under {joined(names)} in the form."


def _translated(fields: Sequence[SheetRow]) -> Iterator[str]:
    translated = [field for field in fields if is_yes(field.text("Trns."))]
    if len(translated) == len(fields) > 1:
        yield "All its fields can be translated."
    elif translated:
        other = "; no other field can" if len(fields) > len(translated) else ""
        yield f"{_upper(_marked(translated, 'Trns.'))} can be translated{other}."


def _with_texts(fields: Sequence[SheetRow]) -> Iterator[str]:
    noted = [field for field in fields if _has_notes(field)]
    if noted:
        yield f"The settings and notes of {_names(noted, 'Settings/notes')} are followed."
    helped = [field for field in fields if usable(field.text("Help text"))]
    if helped:
        noun = "texts are" if _are_several(helped) else "text is"
        yield f"The help {noun} shown in the form for {_names(helped, 'Help text')}."


def _has_notes(field: SheetRow) -> bool:
    notes = one_line(usable(field.text("Settings/notes")))
    options = _OPTIONS.match(notes)
    return bool(notes) and (options is None or options.end() < len(notes))


def _settings(component: Component) -> Iterator[str]:
    if pattern := usable(component.text("URL alias pattern")):
        yield f"New items get an address by the pattern {one_line(pattern)}"
    switches = [words for column, words in _SWITCHES if is_yes(component.text(column))]
    if switches:
        yield f"It {joined(switches)}."
    if modes := _listed(component, "View modes"):
        noun = "view mode" if len(modes) == 1 else f"{len(modes)} view modes"
        yield f"Its display is configured for the {noun} listed."


def _name(field: SheetRow) -> str:
    return quoted(field.text("Field label") or field.text("Machine name") or f"row {field.row}")


def _names(fields: Sequence[SheetRow], column: str, mark: str = "an entry") -> str:
    """The names of some fields, or how many there are and by what they are known."""
    names = list(dict.fromkeys(map(_name, fields)))
    if len(names) <= _MOST_NAMES:
        return joined(names)
    return f"the {len(fields)} fields with {mark} under {_header(fields, column)}"


def _marked(fields: Sequence[SheetRow], column: str) -> str:
    """The names of fields that have a mark, or how many there are and which mark it is."""
    marks = dict.fromkeys(field.text(column) for field in fields)
    return _names(fields, column, joined([quoted(mark) for mark in marks]))


def _are_several(fields: Sequence[SheetRow]) -> bool:
    return len({_name(field) for field in fields}) > 1


def _header(fields: Sequence[SheetRow], column: str) -> str:
    columns: Mapping[str, str] = fields[0].columns
    return quoted(columns.get(column, column))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
