"""The port through which a plugin checks the document a ticket becomes, before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ticketgen.findings import Finding

__all__ = ["AdfCheck"]


@dataclass(frozen=True, kw_only=True)
class AdfCheck:
    """One set of rules for documents in the Atlassian Document Format.

    `check` gets a document that is JSON and has the outer shape of one, and answers with every
    problem it sees; `Finding.path` is a JSON pointer into it. A pure function: it is called in a
    thread, for every ticket of a session. One that raises becomes a warning that names it.
    """

    name: str
    summary: str
    check: Callable[[Mapping[str, Any]], Sequence[Finding]]
    fix: Callable[[str, Finding], str | None] | None = None
    """For what can be put right without asking: gets a ticket's Markdown and a finding of `check`
    on it, and gives the Markdown without that problem, or None where that is not certain. Certain
    is what nobody would do otherwise. What it gives is converted and checked again before it is
    kept; a pure function, called in a thread."""
