"""What is asked for an image style and for a responsive image style."""

from __future__ import annotations

from collections.abc import Iterator

from ticketgen.provides import Component, WrittenText
from ticketgen_processing.building.drafts import usable
from ticketgen_processing.stories.words import (
    closed,
    exists,
    joined,
    noted,
    one_line,
    quoted,
    split_list,
    used_by,
)

__all__ = ["image_style", "responsive_image_style"]


def image_style(component: Component) -> WrittenText:
    """For an image style: its effects are whatever the notes of its row say."""
    links = [link for listed in component.lists for link in listed.links]
    reason = used_by(links, "use")
    effects = split_list(usable(component.text("Notes")))
    criteria = [exists(component)]
    criteria += [f"It is set to: {closed(effect)}" for effect in effects]
    if not effects:
        criteria.append("Its effects are settled and applied; the specification names none.")
    return WrittenText(
        user_story=f"As a site builder, I want the image style {quoted(component.name)}{reason}.",
        success_criteria=tuple(criteria),
    )


def responsive_image_style(component: Component) -> WrittenText:
    """For a responsive image style: breakpoints, image styles, fallback."""
    return WrittenText(
        user_story=f"As a visitor, I want images of the style {quoted(component.name)} in the size "
        "that fits my screen.",
        success_criteria=(
            exists(component),
            *_mapping(component),
            *noted(component, "Notes"),
        ),
    )


def _mapping(component: Component) -> Iterator[str]:
    if group := one_line(usable(component.text("Breakpoint Group"))):
        yield f"It uses the breakpoint group {closed(group)}"
    if used := split_list(usable(component.text("Breakpoints Used"))):
        noun = "breakpoint" if len(used) == 1 else "breakpoints"
        yield f"It covers the {noun} {closed(joined(used))}"
    if styles := split_list(usable(component.text("Image Style Group(s)"))):
        noun = "group" if len(styles) == 1 else "groups"
        names = joined([quoted(style) for style in styles])
        yield f"Its breakpoints are mapped to the image styles of the {noun} {names}."
    if fallback := one_line(usable(component.text("Fallback Style"))):
        machine_name = one_line(usable(component.text("Fallback machine name")))
        named = f" ({machine_name})" if machine_name else ""
        yield f"Its fallback is the image style {quoted(fallback)}{named}."
