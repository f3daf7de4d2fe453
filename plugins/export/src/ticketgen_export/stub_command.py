"""`ticketgen jira-stub`: a stand-in for Jira to rehearse an export against, until it is stopped."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ticketgen.commands import contributions, fail, out
from ticketgen.errors import InvalidInputError
from ticketgen.provides import AdfCheck

if TYPE_CHECKING:
    from ticketgen_export.jira_stub import Behaviour, JiraStub

__all__ = ["jira_stub"]

_CALLBACK = "/api/export/connections/oauth/callback"


class Faults(StrEnum):
    """How much goes wrong."""

    NONE = "none"
    SOME = "some"
    HOSTILE = "hostile"


@dataclass(frozen=True, kw_only=True)
class _Access:
    """What somebody needs to work with the stand-in; all of it is made up for this run."""

    url: str
    email: str
    token: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    cloud_id: str


def jira_stub(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines reach it only if you say so.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free one.")] = 8089,
    projects: Annotated[
        list[str] | None, typer.Option("--project", help="Key of a project; repeat it for several.")
    ] = None,
    index_lag: Annotated[
        float, typer.Option(min=0, help="Seconds until search finds what was changed.")
    ] = 5.0,
    latency: Annotated[
        float, typer.Option(min=0, help="The most seconds that a request takes.")
    ] = 0.0,
    rate: Annotated[
        int, typer.Option(min=0, help="Requests a second before it says 429; 0 is no limit.")
    ] = 0,
    faults: Annotated[Faults, typer.Option(help="How much goes wrong.")] = Faults.NONE,
    seed: Annotated[int, typer.Option(help="Decides what chance decides.")] = 0,
    email: Annotated[str, typer.Option(help="Of the account.")] = "you@example.org",
    token_env: Annotated[
        str, typer.Option(help="Variable with the account's API token; else one is made up.")
    ] = "",
    redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Callback of the OAuth app; repeat it for several.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what is needed to use it as one line of JSON.")
    ] = False,
) -> None:
    """Serve a stand-in for Jira Cloud, in memory, to rehearse exports against; Ctrl-C ends it."""
    token = _token(token_env)
    # The server is imported when it is wanted: a worker and every other command do without.
    from ticketgen_export.jira_stub import Behaviour

    behaviour = Behaviour(
        index_lag=timedelta(seconds=index_lag),
        latency_max=timedelta(seconds=latency),
        requests_per_second=rate or None,
    )
    stub = _made(behaviour, projects or ["DEMO"], faults, seed)
    stub.add_account(email, token, "You")
    client = stub.register_client(*(redirect_uri or [f"http://127.0.0.1:8000{_CALLBACK}"]))
    access = _Access(
        url="",
        email=email,
        token=token,
        client_id=client.id,
        client_secret=client.secret,
        cloud_id=stub.site.cloud_id,
    )
    _serve(stub, host, port, access, as_json=as_json)


def _made(behaviour: Behaviour, projects: list[str], faults: Faults, seed: int) -> JiraStub:
    from ticketgen_export.jira_stub import JiraStub, preset

    checks = contributions().provided(AdfCheck)
    stub = JiraStub(behaviour=behaviour, checks=checks, projects=projects, seed=seed)
    stub.add_faults(*preset(faults.value))
    for key in projects:
        stub.add_sprint(key, "Sprint 1", state="active")
        stub.add_sprint(key, "Sprint 2")
    return stub


def _token(variable: str) -> str:
    if not variable:
        return secrets.token_urlsafe(24)
    token = os.environ.get(variable, "")  # noqa: TID251 - named by whoever runs the command
    if not token:
        fail(
            InvalidInputError(
                f"The variable {variable} is not set.",
                recovery_actions=[f"Set {variable} to an API token, or leave --token-env out."],
            )
        )
    return token


def _serve(stub: JiraStub, host: str, port: int, access: _Access, *, as_json: bool) -> None:
    import uvicorn

    from ticketgen_export.jira_stub.serving import address_of, bound_socket, config_of

    try:
        bound = bound_socket(host, port)
    except OSError as error:
        fail(
            InvalidInputError(
                f"Nothing can listen on {host}:{port}: {error.strerror or error}.",
                recovery_actions=["Choose another one with --port; 0 is any free one."],
            )
        )
    served = {**asdict(access), "url": address_of(bound)}
    if as_json:
        typer.echo(json.dumps(served))
    else:
        _explain(served, list(stub.site.projects))
    # It hands the signal on when it has ended; that is how this command is meant to end.
    with bound, suppress(KeyboardInterrupt):
        uvicorn.Server(config_of(stub)).run(sockets=[bound])


def _explain(served: dict[str, str], projects: list[str]) -> None:
    url, email = served["url"], served["email"]
    lines = (
        f"A stand-in for Jira Cloud is served at {url}; Ctrl-C ends it, and everything in it.",
        "",
        f"Projects             {', '.join(projects)}",
        f"Account              {email}",
        f"API token            {served['token']}",
        f"Cloud id             {served['cloud_id']}",
        f"What came of it      {url}/_stub/state",
        "",
        "To rehearse an export, connect to it; the token is asked for:",
        "",
        f"    ticketgen export connect --site {url} --email {email}",
        "",
        "Then export a session to the target `jira`, as you would to your own site. To rehearse",
        "OAuth, let the host find this server where it would look for Atlassian's:",
        "",
        f"    export TICKETGEN_EXPORT_OAUTH_CLIENT_ID={served['client_id']}",
        f"    export TICKETGEN_EXPORT_OAUTH_CLIENT_SECRET={served['client_secret']}",
        f"    export TICKETGEN_EXPORT_OAUTH_AUTHORIZE_URL={url}/authorize",
        f"    export TICKETGEN_EXPORT_OAUTH_TOKEN_URL={url}/oauth/token",
        f"    export TICKETGEN_EXPORT_OAUTH_RESOURCES_URL={url}/oauth/token/accessible-resources",
        f"    export TICKETGEN_EXPORT_OAUTH_REVOKE_URL={url}/oauth/revoke",
        f"    export TICKETGEN_EXPORT_OAUTH_API_URL={url}",
    )
    for line in lines:
        out.print(escape(line), soft_wrap=True, highlight=False)
