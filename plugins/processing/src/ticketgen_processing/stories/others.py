"""What is asked for migrations, for work of its own kind, and where a sheet leaves things open."""

from __future__ import annotations

from collections.abc import Iterator

from ticketgen.provides import Component, WrittenText
from ticketgen_processing.building.drafts import usable
from ticketgen_processing.stories.words import (
    closed,
    count_of,
    exists,
    joined,
    noted,
    one_line,
    purpose,
    quoted,
    sentences_of,
)

__all__ = ["custom", "generic", "migration", "undefined"]

_MOST_NAMES = 8


def migration(component: Component) -> WrittenText:
    """For a migration with its field mappings."""
    source = one_line(usable(component.text("Source"))) or "the old content"
    destination = one_line(usable(component.text("Destination"))) or "the new site"
    return WrittenText(
        user_story=f"As a content editor, I want {source} brought over to {destination}.",
        success_criteria=(
            exists(component),
            f"It runs without errors and brings {source} over to {closed(destination)}",
            *_mappings(component),
            *noted(component, "Notes"),
        ),
    )


def _mappings(component: Component) -> Iterator[str]:
    rows = component.child_rows("migration_mappings")
    pairs = [
        f"{one_line(row.text('Source field'))} → {one_line(row.text('Destination field'))}"
        for row in rows
    ]
    if len(pairs) > _MOST_NAMES:
        yield f"The {len(pairs)} fields arrive as mapped in the table."
    elif pairs:
        verb = "arrives" if len(pairs) == 1 else "arrive"
        yield f"{count_of(len(pairs), 'field')} {verb} as mapped: {closed('; '.join(pairs))}"


def custom(component: Component) -> WrittenText:
    """For a piece of work that is described and nothing else."""
    return WrittenText(
        user_story=f"As the owner of the site, I want {quoted(component.name)}.",
        success_criteria=(
            exists(component),
            *sentences_of(component.text("Description"), "Description"),
            *noted(component, "Notes"),
        ),
    )


def generic(component: Component) -> WrittenText:
    """For a type of sheet nobody wrote sentences for."""
    reason = purpose(component)
    label, name = component.label.lower(), quoted(component.name)
    story = f"As the owner of the site, I want the {label} {name}{reason}"
    return WrittenText(
        user_story=story if reason else f"{story}.",
        success_criteria=(
            exists(component),
            *(
                f"It has what is listed under {quoted(table.heading)}: "
                f"{count_of(len(table.rows), 'row')}."
                for table in component.tables
            ),
            *noted(component, "Notes"),
        ),
    )


def undefined(component: Component) -> WrittenText:
    """For a component that only its child rows mention."""
    label, name = component.label.lower(), quoted(component.name)
    rows = joined(
        [
            f"{count_of(len(one.rows), 'row')} under {quoted(one.heading)}"
            for one in component.tables
        ]
    )
    return WrittenText(
        user_story=f"As the team, we want to settle what the {label} {name} is, so that the "
        f"specification's {rows} can be built.",
        success_criteria=(
            f"It is settled whether {name} is a {label} of its own, or another name for one that "
            "is defined.",
            "Every row listed here is built there, or dropped on purpose.",
        ),
    )
