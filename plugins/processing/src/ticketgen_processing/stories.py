"""What a developer is asked to build, in words, for each type of component."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ticketgen.provides import Component, SheetRow, SiteContext, WrittenText
from ticketgen_processing.drafts import usable

__all__ = [
    "bundle",
    "generic",
    "image_style",
    "migration",
    "responsive_image_style",
    "undefined",
    "user_role",
    "view",
    "view_mode",
    "workflow",
]

_MOST_NAMES = 8
_YES = frozenset({"y", "yes", "x", "1", "true"})
_AUTHORS = {
    "Content type": (
        "a content editor",
        "write {name} pages",
        "every page of this kind is complete and alike",
    ),
    "Vocabulary": (
        "a content editor",
        "tag content with {name}",
        "visitors find what belongs together",
    ),
    "Media type": (
        "a content editor",
        "keep {name} items in the media library",
        "they are described once and used everywhere",
    ),
    "Paragraph type": (
        "a content editor",
        "place {name} components on a page",
        "pages are composed without touching markup",
    ),
    "Custom block type": (
        "a site manager",
        "create {name} blocks",
        "the same block appears wherever it is placed",
    ),
}
_SWITCHES = (
    ("Mod.", "is moderated"),
    ("Layout", "has a layout of its own"),
    ("Trns.", "can be translated"),
    ("Migr.", "is filled by a migration"),
    ("Meta", "has meta tags"),
    ("Sched.", "can be scheduled"),
    ("Srch.", "is found by the site search"),
)


def bundle(component: Component, site: SiteContext) -> WrittenText:
    """For a content type, vocabulary, media type, paragraph type or block type."""
    who, what, why = _AUTHORS.get(
        component.label, ("a content editor", "work with {name}", "the site holds it as specified")
    )
    story = (
        f"As {who} of {_site(site)}, I want to {what.format(name=component.name)}, so that {why}."
    )
    fields = component.child_rows("fields")
    labels = [field.text("Field label") for field in fields]
    required = [_field(field) for field in fields if _is_yes(field.text("Req'd"))]
    criteria = [_exists(component)]
    if fields:
        count = _count(fields, "field")
        criteria.append(f"It has {count} as listed: {_names(labels)}.")
    else:
        criteria.append("It has no fields beyond those Drupal brings along.")
    if required:
        criteria.append(f"It cannot be saved without {_names(required)}.")
    many = [_field(field) for field in fields if field.text("Vals.") == "*"]
    if many:
        criteria.append(f"Any number of values can be entered for {_names(many)}.")
    criteria += _reference_criteria(fields)
    criteria += _bundle_settings(component)
    return _text(component, story, criteria)


def image_style(component: Component, site: SiteContext) -> WrittenText:
    """For an image style: its effects are whatever the notes of its row say."""
    story = (
        f"As a visitor of {_site(site)}, I want images in the size and format of "
        f"“{component.name}”, so that pages load fast and pictures are cut well."
    )
    notes = component.text("Notes")
    effects = (
        f"Its effects are: {_end(notes)}"
        if notes
        else "Its effects are agreed first; none are given."
    )
    return _text(component, story, [_exists(component), effects])


def responsive_image_style(component: Component, site: SiteContext) -> WrittenText:
    """For a responsive image style: breakpoints, image styles, fallback."""
    story = (
        f"As a visitor of {_site(site)}, I want “{component.name}” images in the size that fits "
        "my screen, so that I neither wait for pixels I cannot see nor miss any."
    )
    criteria = [_exists(component)]
    if group := component.text("Breakpoint Group"):
        used = component.text("Breakpoints Used")
        covered = f" and covers {used}" if used else ""
        criteria.append(f"It uses the breakpoint group {group}{covered}.")
    if styles := component.text("Image Style Group(s)"):
        criteria.append(f"Its breakpoints are mapped to image styles of the group: {styles}.")
    if fallback := component.text("Fallback Style"):
        criteria.append(f"Browsers without responsive images get the image style {fallback}.")
    return _text(component, story, criteria)


def user_role(component: Component, site: SiteContext) -> WrittenText:
    """For a role: who has it, and what its notes allow."""
    story = (
        f"As an administrator of {_site(site)}, I want the role “{component.name}”, "
        "so that people can do their part of the work and nothing beyond it."
    )
    criteria = [_exists(component)]
    if notes := component.text("Notes"):
        criteria.append(f"Its permissions amount to: {_end(notes)}")
        criteria.append("A user with only this role is refused everything else.")
    else:
        criteria.append("Its permissions are agreed with the site owner; the sheet names none.")
    return _text(component, story, criteria)


def workflow(component: Component, site: SiteContext) -> WrittenText:
    """For a workflow with its states and transitions."""
    states = component.child_rows("workflow_states")
    transitions = component.child_rows("workflow_transitions")
    story = (
        f"As a content editor of {_site(site)}, I want to take content through the workflow "
        f"“{component.name}”, so that nothing is published before it should be."
    )
    criteria = [_exists(component)]
    if kind := component.text("Type"):
        criteria.append(f"Its type is {kind}.")
    if states:
        names = _names([state.text("Label") for state in states])
        criteria.append(f"It has {_count(states, 'state')}: {names}.")
    labels = dict.fromkeys(row.text("Label") for row in transitions)
    for label in labels:
        moves = [
            f"{row.text('From state')} → {row.text('To state')}"
            for row in transitions
            if row.text("Label") == label
        ]
        criteria.append(f"“{label}” is offered for: {'; '.join(moves)}.")
    if transitions:
        criteria.append("No other change of state is possible.")
    criteria += _noted(component.text("Notes"))
    return _text(component, story, criteria)


def view_mode(component: Component, site: SiteContext) -> WrittenText:
    """For a view mode and the bundles that use it."""
    entity = component.qualifier or "not given"
    story = (
        f"As a visitor of {_site(site)}, I want items shown in the view mode “{component.name}” "
        "wherever the design asks for it, so that the same thing looks the same everywhere."
    )
    criteria = [f"The view mode “{component.name}” exists for the entity type “{entity}”."]
    if used := component.text("Entities Used On"):
        criteria.append(f"It is enabled, and its display is configured, on: {_end(used)}")
    else:
        criteria.append("The sheet names nothing it is used on; it is enabled where designs ask.")
    if style := component.text("Format"):
        criteria.append(f"Its format is {_end(style)}")
    criteria += _noted(component.text("Notes"))
    return _text(component, story, criteria)


def view(component: Component, site: SiteContext) -> WrittenText:
    """For a view with its displays."""
    displays = component.child_rows("view_displays")
    table = component.text("Base table")
    of_table = f" of {table}" if table else ""
    story = (
        f"As a visitor of {_site(site)}, I want the “{component.name}” listing{of_table}, "
        "so that I find what is there without knowing where it lives."
    )
    criteria = [_exists(component)]
    if table:
        criteria.append(f"Its base table is {table}.")
    if status := component.text("Status"):
        criteria.append(f"Its status is {status}.")
    for display in displays:
        plugin = display.text("Display plugin") or "display"
        notes = display.text("Notes")
        shows = f": {_end(notes)}" if notes else " exists."
        name = display.text("Title") or display.text("Machine name") or "without a title"
        criteria.append(f"The {plugin} “{name}”{shows}")
    if not displays:
        criteria.append("The sheet lists no displays; they are agreed before the view is built.")
    criteria += _noted(component.text("Notes"))
    return _text(component, story, criteria)


def migration(component: Component, site: SiteContext) -> WrittenText:
    """For a migration with its field mappings."""
    source, destination = component.text("Source"), component.text("Destination")
    mappings = component.child_rows("migration_mappings")
    story = (
        f"As the owner of {_site(site)}, I want {source or 'the old content'} brought over to "
        f"{destination or 'the new site'}, so that nobody has to type it again."
    )
    criteria = [
        f"The migration “{component.name}” runs from the command line without errors.",
        "Running it again changes nothing; rolling it back leaves nothing behind.",
    ]
    if mappings:
        pairs = [
            f"{row.text('Source field')} → {row.text('Destination field')}" for row in mappings
        ]
        criteria.append(f"{_count(mappings, 'field')} arrive as mapped: {_names(pairs)}.")
    return _text(component, story, criteria)


def generic(component: Component, site: SiteContext) -> WrittenText:
    """For a type of sheet nobody wrote sentences for."""
    story = (
        f"As the team of {_site(site)}, we want the {component.label.lower()} "
        f"“{component.name}” built as specified, so that the site does what was agreed."
    )
    criteria = [_exists(component)]
    criteria += [
        f"Its {table.heading.lower()} are the {len(table.rows)} listed."
        for table in component.tables
    ]
    criteria += _noted(component.text("Notes"))
    return _text(component, story, criteria)


def undefined(component: Component, site: SiteContext) -> WrittenText:
    """For a component that only its child rows mention."""
    rows = ", ".join(f"{table.heading.lower()}: {len(table.rows)}" for table in component.tables)
    label = component.label.lower()
    story = (
        f"As the team of {_site(site)}, we want to settle what the {label} “{component.name}” is, "
        f"so that what the specification lists under that name ({rows}) finds its place."
    )
    return WrittenText(
        user_story=story,
        success_criteria=(
            f"It is decided whether “{component.name}” is a {label} of its own or another name "
            "for one that is defined.",
            "Every row listed here is built there, or dropped on purpose.",
        ),
    )


def _text(component: Component, story: str, criteria: Iterable[str]) -> WrittenText:
    description = component.text("Description")
    if description:
        story = f"{story}\n\nFrom the specification: {_end(description)}"
    closing = [f"{link.title} is in place first." for link in component.depends_on[:1]]
    if len(component.depends_on) > 1:
        closing = [f"The {len(component.depends_on)} tickets under Dependencies are done first."]
    return WrittenText(user_story=story, success_criteria=(*criteria, *closing))


def _reference_criteria(fields: Sequence[SheetRow]) -> list[str]:
    targets: dict[str, list[str]] = {}
    for field in fields:
        target = field.text("Ref. bundle")
        if usable(target):
            targets.setdefault(target, []).append(_field(field))
    return [f"{_names(names)} can refer to: {_end(target)}" for target, names in targets.items()]


def _bundle_settings(component: Component) -> list[str]:
    criteria = []
    if (pattern := component.text("URL alias pattern")) not in {"", "-"}:
        criteria.append(f"A new item gets an address by the pattern {pattern}")
    switches = [words for column, words in _SWITCHES if _is_yes(component.text(column))]
    if switches:
        criteria.append(f"It {_and(switches)}.")
    modes = [link.title for listed in component.lists for link in listed.links]
    if modes:
        count = "1 view mode" if len(modes) == 1 else f"{len(modes)} view modes"
        criteria.append(f"It can be shown in {count} of its own, listed above.")
    return [*criteria, *_noted(component.text("Settings/notes"))]


def _noted(notes: str) -> list[str]:
    return [f"It is built as noted: {_end(notes)}"] if usable(notes) else []


def _exists(component: Component) -> str:
    named = f" with the machine name {component.machine_name}" if component.machine_name else ""
    return f"The {component.label.lower()} “{component.name}” exists{named}."


def _field(field: SheetRow) -> str:
    return field.text("Field label") or field.text("Machine name") or f"row {field.row}"


def _site(site: SiteContext) -> str:
    return " ".join(site.project_name.split()) or "the site"


def _is_yes(text: str) -> bool:
    return text.casefold() in _YES


def _count(rows: Sequence[SheetRow], noun: str) -> str:
    return f"{len(rows)} {noun}{'' if len(rows) == 1 else 's'}"


def _names(names: Sequence[str]) -> str:
    shown = list(dict.fromkeys(name for name in names if name))
    if len(shown) > _MOST_NAMES:
        return f"{', '.join(shown[:_MOST_NAMES])} and {len(shown) - _MOST_NAMES} more"
    return _and(shown)


def _and(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _end(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."
