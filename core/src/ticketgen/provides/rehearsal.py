"""The port through which a plugin offers a way to end `ticketgen demo`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ticketgen.ports import Contributions

__all__ = [
    "ApiCall",
    "OpenRehearsal",
    "Rehearsal",
    "RehearsalContext",
    "RehearsalReport",
]


class ApiCall(Protocol):
    """A call to the API of the demo's system, as the demo's own user."""

    async def __call__(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of a successful answer; `json=…` is what is sent.

        Raises:
            TicketgenError: the API answers with a problem, or not at all.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class RehearsalContext:
    """What a rehearsal is given to begin with."""

    call: ApiCall
    contributions: Contributions
    """What the installed plugins provide."""
    settings: Any
    """Those of the plugin that brings the rehearsal; None if it has none."""


@dataclass(frozen=True, kw_only=True)
class RehearsalReport:
    """What came of a rehearsal, for the person who has watched it."""

    lines: tuple[str, ...] = ()
    title: str = ""
    columns: tuple[str, ...] = ()
    """Of a table; without columns there is none."""
    rows: tuple[tuple[str, ...], ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Written to the demo's folder, by name; a name has no folder in it."""


async def _nothing(session_id: str) -> RehearsalReport:
    return RehearsalReport()


@dataclass(frozen=True, kw_only=True)
class OpenRehearsal:
    """What the demo needs to know once all is prepared."""

    session: Mapping[str, Any] = field(default_factory=dict)
    """Fields the session is begun with, such as `jira_project_key`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The options of the export."""
    report: Callable[[str], Awaitable[RehearsalReport]] = _nothing
    """Asked with the session's id, once the export is complete."""


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """`ticketgen demo --target {name}`: an export that needs nothing of whoever watches it.

    It is opened in the process of the command, while the API and the worker run as processes of
    their own on the same machine, and closed before they are stopped. What it starts for the
    export, such as a stand-in for the other system, ends with it.
    """

    name: str
    """Lower-case letters, digits and hyphens; the folder of what is made is called like it."""
    summary: str
    target: str
    """The export target that the tickets are sent to."""
    open: Callable[[RehearsalContext], AbstractAsyncContextManager[OpenRehearsal]]
