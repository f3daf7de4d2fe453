"""The options that choose tickets of a session, and what they are called in the API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

__all__ = [
    "Assignee",
    "Containing",
    "CsvType",
    "Edited",
    "Group",
    "Oversize",
    "Sprint",
    "WithNotes",
    "filter_of",
]

Group = Annotated[str | None, typer.Option(help="Of this group, such as “Content types”.")]
CsvType = Annotated[str | None, typer.Option("--type", help="From this type of sheet.")]
Assignee = Annotated[str | None, typer.Option(help="Of this person; empty: nobody's.")]
Sprint = Annotated[str | None, typer.Option(help="In this sprint; empty: in none.")]
Edited = Annotated[
    bool | None, typer.Option("--edited/--unedited", help="Whose words a person has changed.")
]
Oversize = Annotated[
    bool | None, typer.Option("--oversize/--fitting", help="Too long for a description.")
]
WithNotes = Annotated[
    bool | None, typer.Option("--with-notes/--without-notes", help="With doubtful input.")
]
Containing = Annotated[
    str, typer.Option("-q", "--containing", help="All these words in title, text or key.")
]


def filter_of(**given: str | bool | None) -> dict[str, Any]:
    """What was asked for, without what was not."""
    return {name: value for name, value in given.items() if value is not None}
