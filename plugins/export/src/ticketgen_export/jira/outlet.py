"""What the calls of one attempt at an export to Jira share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.errors import ConfigurationError, InvalidInputError
from ticketgen.provides import ExportContext, PreparedExport, Sending
from ticketgen_export.connections.book import ConnectionBook
from ticketgen_export.errors import JiraPermissionError, JiraRefusedError
from ticketgen_export.jira.client import JiraClient
from ticketgen_export.jira.facts import ProjectFacts, require_project
from ticketgen_export.jira.known import KnownProject, known_project
from ticketgen_export.jira.options import JiraOptions, read_options
from ticketgen_export.jira.pace import Pace
from ticketgen_export.settings import ExportSettings
from ticketgen_export.state import ExportState

__all__ = [
    "Outlet",
    "consult_jira",
    "explained",
    "look_at_project",
    "open_outlet",
    "outlet_of",
    "prepare_jira",
]

_MARGIN = timedelta(seconds=2)
_FOR_EACH = timedelta(seconds=1)
"""What each further issue of one call is given."""
_SCOPES = frozenset({"read:jira-work", "write:jira-work"})
"""What an OAuth connection needs to export at all; sprints and people need more."""


@dataclass(kw_only=True)
class Outlet:
    """A site that is open, and a project in it."""

    client: JiraClient
    known: KnownProject
    options: JiraOptions
    site_url: str
    timeout: timedelta
    index_lag: timedelta
    bulk: int
    sees_its_own: bool | None = None
    """Whether the account sees what it creates; None before that was looked at."""

    @property
    def facts(self) -> ProjectFacts:
        """What is known of the project."""
        return self.known.facts

    def time_for(self, issues: int) -> timedelta:
        """Longest that one call which creates so many issues may take."""
        return self.timeout + (issues - 1) * _FOR_EACH

    def longest_send(self, issues: int = 1) -> timedelta:
        """The call, a second one where the first was refused, and the wait between them."""
        waited = timedelta(seconds=self.client.pace.interval) + _MARGIN
        return self.time_for(issues) + self.timeout + waited

    def url_of(self, key: str) -> str:
        """Where people see the issue."""
        return f"{self.site_url}/browse/{key}"


async def consult_jira(context: ExportContext) -> None:
    """Ask Jira whether the export can work: access, project, permissions, types and fields.

    Raises:
        TicketgenError: what is in the way, and who can do something about it.
    """
    options = read_options(context.options)
    _project_key(context)
    state = _state(context)
    async with state.unit_of_work() as work:
        connection = await ConnectionBook.pick(work.db, _user(context), options.connection)
        connection_id = connection.id
    await _known(context, options, state, connection_id, believed=timedelta(0))


async def look_at_project(context: ExportContext, *, refresh: bool) -> KnownProject:
    """What is known of the session's project, for a person who wants to choose.

    Raises:
        TicketgenError: as `consult_jira`.
    """
    options = read_options(context.options)
    state = _state(context)
    async with state.unit_of_work() as work:
        connection_id = (await ConnectionBook.pick(work.db, _user(context), options.connection)).id
    believed = timedelta(0) if refresh else _settings(context).jira_facts_age
    _, known = await _known(
        context, options, state, connection_id, believed=believed, choosing=True
    )
    return known


async def prepare_jira(db: AsyncSession, context: ExportContext) -> PreparedExport:
    """The options with the connection that is meant, and the site and project as the place.

    Raises:
        InvalidInputError: the session has no project key, or an option is wrong.
        TicketgenError: there is no such connection, or it is lost.
    """
    options = read_options(context.options)
    project_key = _project_key(context)
    connection = await ConnectionBook.pick(db, _user(context), options.connection)
    settled = options.model_copy(update={"connection": connection.id})
    site = connection.site_url.partition("://")[2]
    return PreparedExport(
        options=settled.model_dump(mode="json", exclude_none=True),
        place=f"{site}/{project_key}"[-100:],
    )


@asynccontextmanager
async def open_outlet(context: ExportContext) -> AsyncIterator[Outlet]:
    """The project of an export, with everything that is asked before the first ticket.

    Raises:
        TicketgenError: as `consult_jira`.
    """
    options = read_options(context.options)
    if options.connection is None:
        raise ConfigurationError("The export was stored without a connection.")
    settings = _settings(context)
    client, known = await _known(
        context, options, _state(context), options.connection, believed=settings.jira_facts_age
    )
    yield Outlet(
        client=client,
        known=known,
        options=options,
        site_url=await client.site_url(),
        timeout=settings.jira_timeout,
        index_lag=settings.jira_index_lag,
        bulk=options.bulk or settings.jira_bulk,
    )


@asynccontextmanager
async def explained(outlet: Outlet) -> AsyncIterator[None]:
    """Let a refusal say what it is where the project is no more: then every value is wrong.

    Raises:
        JiraGoneError: the project was deleted, or hidden from the account.
    """
    try:
        yield
    except JiraRefusedError:
        await require_project(outlet.client, outlet.facts.project_key)
        raise


def outlet_of(sending: Sending) -> Outlet:
    """The outlet that goes along with a call."""
    outlet: Outlet = sending.outlet
    return outlet


async def _known(
    context: ExportContext,
    options: JiraOptions,
    state: ExportState,
    connection_id: Any,
    *,
    believed: timedelta,
    choosing: bool = False,
) -> tuple[JiraClient, KnownProject]:
    settings = _settings(context)
    pace = timedelta(seconds=options.pace) if options.pace is not None else settings.jira_pace
    book: ConnectionBook = state.book
    source = book.source(connection_id)
    _require_scopes((await source.current()).scopes)
    client = JiraClient(state.http, source, timeout=settings.jira_timeout, pace=Pace(pace))
    known = await known_project(
        client,
        state.unit_of_work,
        session_id=context.session_id,
        connection_id=connection_id,
        project_key=_project_key(context),
        options=options,
        believed=believed,
        choosing=choosing,
    )
    return client, known


def _require_scopes(scopes: frozenset[str] | None) -> None:
    missing = _SCOPES - scopes if scopes is not None else frozenset()
    if missing:
        raise JiraPermissionError(
            f"The connection was consented to without {', '.join(sorted(missing))}.",
            recovery_actions=[
                "Ask an administrator to add these scopes to the OAuth application, then connect "
                "again with POST /api/export/connections/oauth.",
            ],
        )


def _settings(context: ExportContext) -> ExportSettings:
    given = context.settings
    return given if isinstance(given, ExportSettings) else ExportSettings()


def _user(context: ExportContext) -> UUID:
    if context.user_id is None:
        raise InvalidInputError(
            "An export to Jira is started by a user, whose connection it uses.",
            recovery_actions=["Start it with a token of that user."],
        )
    return context.user_id


def _state(context: ExportContext) -> ExportState:
    state = context.state
    if not isinstance(state, ExportState):
        raise ConfigurationError(
            "The plugin export has not been started in this process.",
            recovery_actions=["See `ticketgen plugins doctor`."],
        )
    return state


def _project_key(context: ExportContext) -> str:
    if not context.project_key:
        raise InvalidInputError(
            "The session has no Jira project key.",
            recovery_actions=[
                "Set `jira_project_key` of the session, such as HM, with "
                "PATCH /api/sessions/{session_id}.",
            ],
        )
    return context.project_key
