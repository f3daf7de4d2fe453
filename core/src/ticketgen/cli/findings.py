"""`ticketgen findings`: what is wrong in a session's sheets, and what of it is to stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ticketgen.cli.choosing import SessionWord, find_session
from ticketgen.cli.client import Client, segment
from ticketgen.cli.showing import AsJson, ask, counted, deliver, hint, print_json, say, say_findings
from ticketgen.errors import InvalidInputError

__all__ = ["app"]

app = typer.Typer(help="What is wrong in the sheets of a session.", no_args_is_help=True)

_SHOWN_VALUES = 5
_SHOWN_ROWS = 10


@app.command()
def show(session: SessionWord, as_json: AsJson = False) -> None:
    """Show the report of the newest check by kind of finding, errors first."""
    _report(session, as_json)


@app.command("list")
def list_each(
    session: SessionWord,
    group: Annotated[str | None, typer.Option(help="Of this group.")] = None,
    file: Annotated[str | None, typer.Option(help="In this file.")] = None,
    severity: Annotated[
        Literal["error", "warning"] | None, typer.Option(help="Errors or warnings only.")
    ] = None,
    containing: Annotated[
        str, typer.Option("-q", "--containing", help="Whose value or message has this text.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the findings one by one, each with its place and what to do."""
    given = {"group": group, "file": file, "severity": severity, "q": containing or None}
    params = {name: value for name, value in given.items() if value is not None}

    async def work(client: Client) -> list[Any]:
        session_id = await find_session(client, session)
        return await client.pages(f"/api/processing/findings/{session_id}/list", params)

    found = ask(work)
    if as_json:
        print_json(found)
        return
    say_findings(found, most=None)
    if not found:
        hint("There is no such finding.")


@app.command()
def accept(
    session: SessionWord,
    groups: Annotated[
        list[str] | None, typer.Argument(metavar="GROUP…", help="From `ticketgen findings show`.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every group whose errors are open.")
    ] = False,
    reason: Annotated[str, typer.Option(help="For whoever reads it later.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let the errors of groups stay as they are; the tickets concerned carry a note."""
    if bool(groups) == everything:
        raise typer.BadParameter("Name groups, or give --all.")

    async def work(client: Client) -> Any:
        place = f"/api/processing/findings/{await find_session(client, session)}"
        chosen = groups or _open_groups(await client.call("GET", place))
        return await client.call(
            "POST", f"{place}/accept", json={"groups": chosen, "reason": reason}
        )

    _say_result(ask(work), as_json)


@app.command()
def withdraw(
    session: SessionWord,
    group: Annotated[str, typer.Argument(help="From `ticketgen findings show`.")],
    as_json: AsJson = False,
) -> None:
    """Take an acceptance back; the errors of the group stop generations again."""

    async def work(client: Client) -> Any:
        place = f"/api/processing/findings/{await find_session(client, session)}"
        return await client.call("DELETE", f"{place}/accepted/{segment(group)}")

    _say_result(ask(work), as_json)


@app.command("csv")
def as_csv(
    session: SessionWord,
    to: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: standard output.")
    ] = None,
) -> None:
    """Get the findings as a CSV file for a spreadsheet."""

    async def work(client: Client) -> bytes:
        session_id = await find_session(client, session)
        return await client.content(f"/api/processing/findings/{session_id}/csv")

    deliver(ask(work), to)


def _report(session: str, as_json: bool) -> None:
    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        return await client.call("GET", f"/api/processing/findings/{session_id}")

    report = ask(work)
    if as_json:
        print_json(report)
        return
    for group in report["groups"]:
        _say_group(group)
    _say_totals(report)


def _say_group(group: Mapping[str, Any]) -> None:
    style = "red" if group["severity"] == "error" else "yellow"
    state = "accepted" if group["severity"] == "error" and not group["open_errors"] else ""
    say((f"{group['severity']:<8}", style), (group["id"], "bold"), f"  {state}")
    place = ", ".join(
        part
        for part in (group["file"], f"column “{group['column']}”" if group["column"] else None)
        if part
    )
    say(f"  {group['count']} × {group['title']}{f' ({place})' if place else ''}")
    rows = [str(row) for row in group["rows"][:_SHOWN_ROWS]]
    if rows:
        more = ", …" if group["count"] > len(rows) else ""
        say(f"  row{'s' if len(rows) > 1 else ''} {', '.join(rows)}{more}")
    values = [f"“{item['value']}” ({item['count']})" for item in group["values"][:_SHOWN_VALUES]]
    if values:
        more = ", …" if len(group["values"]) > len(values) else ""
        say(f"  {', '.join(values)}{more}")
    if group["suggestions"]:
        say(f"  near: {', '.join(f'“{one}”' for one in group['suggestions'][:_SHOWN_VALUES])}")
    say(f"  → {group['remedy']}")
    accepted = group["accepted"]
    if accepted:
        reason = f": {accepted['reason']}" if accepted["reason"] else ""
        say(f"  accepted by {accepted['by'] or 'somebody'} {accepted['at'][:10]}{reason}")


def _say_totals(report: Mapping[str, Any]) -> None:
    say(
        f"{counted(report['components'], 'component')}; {counted(report['errors'], 'error')}, "
        f"{report['accepted_errors']} accepted, {report['open_errors']} open; "
        f"{counted(report['warnings'], 'warning')}."
    )
    if report["stale"]:
        hint("The files have changed since this check: see `ticketgen sessions check`.")


def _say_result(report: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        _say_totals(report)


def _open_groups(report: Mapping[str, Any]) -> list[str]:
    found = [group["id"] for group in report["groups"] if group["open_errors"]]
    if not found:
        raise InvalidInputError(
            "No error is open.", recovery_actions=["See `ticketgen findings show`."]
        )
    return found
