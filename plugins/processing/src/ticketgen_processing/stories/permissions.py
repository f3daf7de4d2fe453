"""What is asked for a user role, and for a workflow with its states and transitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ticketgen.provides import Component, SheetRow, WrittenText
from ticketgen_processing.building.drafts import usable
from ticketgen_processing.stories.words import (
    closed,
    count_of,
    exists,
    joined,
    noted,
    one_line,
    quoted,
    sentences_of,
)

__all__ = ["user_role", "workflow"]

_BROUGHT_ALONG = frozenset({"anonymous", "authenticated", "administrator"})
"""Roles that a Drupal site has from the beginning."""
_MOST_NAMES = 12


def user_role(component: Component) -> WrittenText:
    """For a role and what its notes allow."""
    allowed = sentences_of(component.text("Notes"), "Notes")
    if allowed:
        criteria = [f"A user with only this role: {sentence}" for sentence in allowed]
    elif component.machine_name in _BROUGHT_ALONG:
        criteria = ["It stays as Drupal brings it along; the specification names no permissions."]
    else:
        criteria = ["Its permissions are settled and granted; the specification names none."]
    name = quoted(component.name)
    return WrittenText(
        user_story=f"As an administrator, I want to give people the user role {name}.",
        success_criteria=(exists(component), *criteria),
    )


def workflow(component: Component) -> WrittenText:
    """For a workflow with its states and transitions."""
    states = component.child_rows("workflow_states")
    transitions = component.child_rows("workflow_transitions")
    kind = one_line(usable(component.text("Type")))
    labels = [quoted(row.text("Label")) for row in states]
    through = ""
    if 0 < len(labels) <= _MOST_NAMES:
        noun = "state" if len(labels) == 1 else "states"
        through = f" with the {noun} {joined(labels)}"
    return WrittenText(
        user_story=f"As a content editor, I want to take content through the workflow "
        f"{quoted(component.name)}{through}.",
        success_criteria=(
            exists(component, f" and the type {kind}" if kind and component.machine_name else ""),
            *_states(states),
            *_transitions(transitions),
            *noted(component, "Notes"),
        ),
    )


def _states(states: Sequence[SheetRow]) -> Iterator[str]:
    if not states:
        yield "Its states are settled and made; the specification lists none."
        return
    names = [_with_machine_name(row) for row in states]
    yield f"It has {count_of(len(states), 'state')}: {joined(names)}."
    for row in states:
        for sentence in sentences_of(row.text("Notes"), "Notes"):
            yield f"{quoted(row.text('Label'))}: {sentence}"


def _transitions(transitions: Sequence[SheetRow]) -> Iterator[str]:
    moves: dict[tuple[str, str, str], list[str]] = {}
    for row in transitions:
        notes = one_line(usable(row.text("Notes")))
        key = (_with_machine_name(row), one_line(row.text("To state")), notes)
        moves.setdefault(key, []).append(one_line(row.text("From state")))
    for (label, target, notes), sources in moves.items():
        begins = joined([quoted(source) for source in dict.fromkeys(sources)])
        ending = f" {closed(notes)}" if notes else ""
        yield f"{label} leads from {begins} to {quoted(target)}.{ending}"
    if transitions:
        yield "There is no other transition."


def _with_machine_name(row: SheetRow) -> str:
    machine_name = one_line(usable(row.text("Machine name")))
    label = row.text("Label") or machine_name or f"row {row.row}"
    return f"{quoted(label)} ({machine_name})" if machine_name else quoted(label)
