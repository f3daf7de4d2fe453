"""`ticketgen export connect`, `connections`, `check`, `disconnect`: a user's access to Jira."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.markup import escape

from ticketgen import Host
from ticketgen.commands import err, on_host, out
from ticketgen.domain.users import User, get_user_by_name
from ticketgen.errors import InvalidInputError
from ticketgen_export.connections import keeping
from ticketgen_export.connections.schemas import ConnectionChecked, ConnectionView
from ticketgen_export.connections.stored import Connection
from ticketgen_export.state import ExportState, open_state

__all__ = ["add_commands"]

ResultT = TypeVar("ResultT")

_User = Annotated[
    str, typer.Option("--user", help="Whose connections; the account of `ticketgen up`: local.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_ConnectionId = Annotated[UUID, typer.Argument(help="From `ticketgen export connections`.")]


def add_commands(app: typer.Typer) -> None:
    """Put the commands into the plugin's group."""
    for command in (connect, connections, check, disconnect):
        app.command()(command)


def connect(
    site: Annotated[
        str | None, typer.Option(help="The site: https://your-site.atlassian.net")
    ] = None,
    email: Annotated[str | None, typer.Option(help="What you log in to Atlassian with.")] = None,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the API token from standard input.")
    ] = False,
    oauth: Annotated[
        bool, typer.Option("--oauth", help="Consent in a browser instead of giving a token.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="What you call the connection.")] = None,
    user: _User = "local",
) -> None:
    """Connect a user to a Jira site, with an API token or by OAuth.

    The token is asked for, or read from standard input; it is never an argument, which other
    users of the machine could see. Over the API: POST /api/export/connections.
    """
    if oauth:
        made = _with_state(user, lambda host, state, owner: _by_oauth(host, state, owner, site))
    else:
        made = _by_token(user, site, email, name, token_stdin=token_stdin)
    _tell(made)


def _by_token(
    user: str, site: str | None, email: str | None, name: str | None, *, token_stdin: bool
) -> Connection:
    if site is None or email is None:
        raise typer.BadParameter("give --site and --email, or --oauth")
    if token_stdin:
        token = sys.stdin.readline().strip()
    else:
        token = typer.prompt("API token", hide_input=True, err=True).strip()

    async def work(host: Host, state: ExportState, owner: User) -> Connection:
        if not token:
            raise InvalidInputError(
                "The token is empty.", recovery_actions=["Give it on standard input."]
            )
        return await state.connections.connect(
            owner.id, site_url=site, email=email, token=token, name=name
        )

    return _with_state(user, work)


async def _by_oauth(host: Host, state: ExportState, owner: User, site: str | None) -> Connection:
    from ticketgen_export.connections.returning import returned

    def show(url: str) -> None:
        err.print("Open this in a browser, and consent within ten minutes:", highlight=False)
        typer.echo(url)

    begun = await state.connections.begin_oauth(owner.id, site_url=site)
    return await returned(host, state.connections, owner.id, begun, show=show)


def connections(user: _User = "local", as_json: _AsJson = False) -> None:
    """List a user's connections; no secret is shown."""

    async def work(host: Host, state: ExportState, owner: User) -> list[Connection]:
        async with host.unit_of_work() as unit:
            return list(await keeping.list_connections(unit.db, of=owner.id))

    found = _with_state(user, work)
    if as_json:
        shown = [ConnectionView.of(one).model_dump(mode="json") for one in found]
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    for one in found:
        _tell(one)


def check(
    connection_id: _ConnectionId,
    project: Annotated[
        str | None, typer.Option(help="Key of a project of Jira to ask permissions in.")
    ] = None,
    user: _User = "local",
    as_json: _AsJson = False,
) -> None:
    """Ask the site who is let in and what may be done in a project; 1 if something is missing."""

    async def work(host: Host, state: ExportState, owner: User) -> ConnectionChecked:
        checked = await state.connections.check(owner.id, connection_id, project_key=project)
        return ConnectionChecked.of(checked, project_key=project)

    checked = _with_state(user, work)
    if as_json:
        typer.echo(checked.model_dump_json(indent=2))
    else:
        _say(f"{checked.connection.site_url} lets in {checked.connection.account_name}.")
        if checked.project_found is False:
            _say(f"There is no project {project}, or the account does not see it.")
        for permission, has in checked.permissions.items():
            _say(f"  {'yes' if has else 'NO ':<3}  {permission}")
    if checked.project_found is False or checked.missing:
        raise typer.Exit(1)


def disconnect(connection_id: _ConnectionId, user: _User = "local") -> None:
    """Log out: forget the tokens here, and have them revoked where there is a way."""

    async def work(host: Host, state: ExportState, owner: User) -> bool:
        return await state.connections.disconnect(connection_id, actor_id=owner.id, of=owner.id)

    revoked = _with_state(user, work)
    _say(f"Disconnected {connection_id}.")
    if not revoked:
        _say("Atlassian was not told: revoke the token, or the consent, in your account there.")


def _with_state(
    user: str, work: Callable[[Host, ExportState, User], Awaitable[ResultT]]
) -> ResultT:
    async def on_it(host: Host) -> ResultT:
        async with host.unit_of_work() as unit:
            owner = await get_user_by_name(unit.db, user)
        async with open_state(host) as state:
            return await work(host, state, owner)

    return on_host("export", on_it)


def _tell(connection: Connection) -> None:
    _say(
        f"{connection.id}  {connection.kind.value}  {connection.site_url}  "
        f"{connection.account_name}  ({connection.name})"
    )
    if connection.lost_at is not None:
        _say(f"  lost: {connection.lost_reason} Connect again.")


def _say(line: str) -> None:
    out.print(escape(line), soft_wrap=True, highlight=False)
