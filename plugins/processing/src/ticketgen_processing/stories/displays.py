"""What is asked for a view with its displays, and for a view mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ticketgen.provides import Component, SheetRow, WrittenText
from ticketgen_processing.building.drafts import usable
from ticketgen_processing.building.references import is_ignored
from ticketgen_processing.stories.words import (
    closed,
    exists,
    joined,
    noted,
    one_line,
    purpose,
    quoted,
    sentences_of,
    split_list,
)

__all__ = ["view", "view_mode"]

_MOST_CRITERIA = 30
_NOT_NAMES = ("-", "all", "any", "n/a", "none")


def view_mode(component: Component) -> WrittenText:
    """For a view mode and the bundles that use it."""
    name, entity = quoted(component.name), one_line(component.qualifier)
    used_on = one_line(usable(component.text("Entities Used On")))
    names = split_list(used_on)
    where = ""
    if names and not any(is_ignored(one, _NOT_NAMES) for one in names):
        where = f" on {joined([quoted(one) for one in names])}"
    of_type = f" for the entity type {quoted(entity)}" if entity else ""
    if where:
        placed = f"It is enabled{where}, and its display there is configured."
    elif used_on:
        placed = f"It is enabled on: {closed(used_on)}"
    else:
        placed = "Where it is enabled is settled; the specification names no place."
    formats = usable(component.text("Format"))
    return WrittenText(
        user_story=f"As a site builder, I want the view mode {name}{where}{of_type}.",
        success_criteria=(
            f"The view mode {name} exists{of_type}.",
            placed,
            *([f"Its format is {closed(formats)}"] if formats else []),
            *noted(component, "Notes"),
        ),
    )


def view(component: Component) -> WrittenText:
    """For a view with its displays."""
    reason = purpose(component)
    story = f"As a user of the site, I want the view {quoted(component.name)}{reason}"
    displays = component.child_rows("view_displays")
    shown = list(_displays(displays, apart=True))
    if len(shown) > _MOST_CRITERIA:
        shown = list(_displays(displays, apart=False))
    if not displays:
        shown = ["Its displays are settled and built; the specification lists none."]
    return WrittenText(
        user_story=story if reason else f"{story}.",
        success_criteria=(
            exists(component),
            *_base(component),
            *shown,
            *noted(component, "Notes"),
        ),
    )


def _base(component: Component) -> Iterator[str]:
    table = one_line(usable(component.text("Base table")))
    status = one_line(usable(component.text("Status")))
    facts = [f"its base table is {table}"] if table else []
    facts += [f"its status is {status}"] if status else []
    if facts:
        line = closed(joined(facts))
        yield line[0].upper() + line[1:]


def _displays(displays: Sequence[SheetRow], *, apart: bool) -> Iterator[str]:
    """One criterion for each display, and one for each sentence about it if they stand apart."""
    for display in displays:
        machine_name = one_line(usable(display.text("Machine name")))
        title = display.text("Title") or machine_name or f"row {display.row}"
        plugin = one_line(usable(display.text("Display plugin")))
        kind = f"{plugin} display" if plugin else "display"
        named = f" with the machine name {machine_name}" if machine_name else ""
        path = one_line(usable(display.text("Path")))
        at = f" at the path {path}" if path else ""
        yield f"The {kind} {quoted(title)} exists{named}{at}."
        notes = sentences_of(display.text("Notes"), "Notes")
        if apart:
            yield from (f"{quoted(title)}: {sentence}" for sentence in notes)
        elif notes:
            yield f"{quoted(title)}: {' '.join(notes)}"
