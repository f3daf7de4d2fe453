"""The port through which a plugin contributes the words of a ticket, and never its facts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ticketgen.provides.component import Component

__all__ = ["SiteContext", "Writer", "WrittenText"]


@dataclass(frozen=True, kw_only=True)
class SiteContext:
    """What the owner of the session said about the site."""

    project_name: str
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class WrittenText:
    """The written part of a ticket, as plain text: Markdown in it is shown, not obeyed."""

    user_story: str
    """Paragraphs are separated by blank lines."""
    success_criteria: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Writer:
    """One way to write user stories and success criteria, chosen by its name.

    The configuration tables of a ticket are copied from the sheets by construction; whatever a
    writer returns cannot change them.
    """

    name: str
    summary: str
    write: Callable[[Component, SiteContext], Awaitable[WrittenText]]
    """May raise `ticketgen.errors.TemporaryError` to be asked again later."""
