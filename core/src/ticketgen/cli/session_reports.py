"""`ticketgen sessions`, its reports: errors, history, readiness, and the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ticketgen.cli.choosing import SessionWord, find_session
from ticketgen.cli.client import Client
from ticketgen.cli.equivalents import as_commands
from ticketgen.cli.showing import AsJson, Yes, ask, confirm, deliver, facts, hint, print_json, say
from ticketgen.domain.sessions import Stage
from ticketgen.errors import ErrorCategory

__all__ = ["app"]

app = typer.Typer()

_MOST_TITLES = 10
_LONGEST_DETAILS = 300


@app.command()
def errors(
    session: SessionWord,
    each: Annotated[bool, typer.Option("--list", help="Each failure, the newest first.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="All of them as CSV.")] = False,
    to: Annotated[
        Path | None, typer.Option("--out", help="File for the CSV; default: standard output.")
    ] = None,
    category: Annotated[ErrorCategory | None, typer.Option(help="Who can fix it.")] = None,
    severity: Annotated[
        Literal["blocking", "transient"] | None, typer.Option(help="What ended, or was retried.")
    ] = None,
    code: Annotated[str | None, typer.Option(help="Such as rate_limited.")] = None,
    run_id: Annotated[str | None, typer.Option("--run", help="Of this run.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what failed in a session: grouped by what it is, each by itself, or as CSV."""
    given = {"category": category, "severity": severity, "code": code, "task_id": run_id}
    params = {name: str(value) for name, value in given.items() if value is not None}
    if as_csv or to is not None:
        deliver(ask(lambda client: _errors_file(client, session, params)), to)
        return

    async def work(client: Client) -> list[Any]:
        path = f"/api/sessions/{await find_session(client, session)}/errors"
        if each:
            return await client.pages(path, params)
        return list(await client.call("GET", f"{path}/groups", params=params))

    found = ask(work)
    if as_json:
        print_json(found)
        return
    for item in found:
        _say_failure(item)
    if not found:
        hint("Nothing has failed.")


@app.command()
def history(session: SessionWord, as_json: AsJson = False) -> None:
    """List every change of a session and its tickets, the newest first."""

    async def work(client: Client) -> list[Any]:
        session_id = await find_session(client, session)
        return await client.pages(f"/api/sessions/{session_id}/history")

    say_history(ask(work), as_json)


@app.command()
def readiness(session: SessionWord, as_json: AsJson = False) -> None:
    """Say whether a session can be exported, or all that is in the way; ends with 1 if not."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        return await client.call("GET", f"/api/sessions/{session_id}/export-readiness")

    found = ask(work)
    if as_json:
        print_json(found)
    else:
        say(("ready", "green") if found["ready"] else ("not ready", "red"))
        for reason in found["reasons"]:
            say(f"  {as_commands(reason['message'])}")
            for action in reason["recovery_actions"]:
                say(f"    → {as_commands(action)}")
        facts(found["summary"])
    if not found["ready"]:
        raise typer.Exit(1)


@app.command()
def results(
    session: SessionWord,
    to_mend: Annotated[
        bool, typer.Option("--to-mend", help="Only what needs a person's hand.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="All of them as CSV.")] = False,
    as_page: Annotated[bool, typer.Option("--page", help="A page for a browser.")] = False,
    to: Annotated[
        Path | None, typer.Option("--out", help="File for CSV or page; default: standard output.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what became of every ticket of an export: key, address, and what to mend by hand.

    Also while it runs, and after it has stopped.
    """
    form = "/csv" if as_csv else "/page" if as_page else ""

    async def place(client: Client) -> str:
        return f"/api/export/results/{await find_session(client, session)}"

    async def file(client: Client) -> bytes:
        return await client.content(f"{await place(client)}{form}")

    if form:
        deliver(ask(file), to)
        return

    async def work(client: Client) -> Any:
        only = {"to_mend": str(to_mend).lower()}
        return await client.call("GET", await place(client), params=only)

    found = ask(work)
    if as_json:
        print_json(found)
        return
    for ticket in found["tickets"]:
        _say_result(ticket)
    hint(
        f"{found['done']} of {found['total']} tickets are in {found['target']} "
        f"({found['place']}); {found['to_mend']} need a person's hand."
    )


@app.command()
def rollback(
    session: SessionWord,
    to: Annotated[Stage, typer.Argument(help="review, upload or site_info_collection.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take a session back to an earlier stage, once you have seen and agreed what is lost."""

    async def look(client: Client) -> Any:
        session_id = await find_session(client, session)
        path = f"/api/sessions/{session_id}/rollback"
        return await client.call("GET", path, params={"to": str(to)})

    impact = ask(look)
    if not as_json:
        _say_impact(impact)
    confirm(f"Go back from {impact['stage']} to {impact['to']}?", yes=yes)

    async def back(client: Client) -> Any:
        path = f"/api/sessions/{impact['session_id']}/rollback"
        asked = {"to": str(to), "confirm": impact["confirm"]}
        return await client.call("POST", path, json=asked)

    done = ask(back)
    if as_json:
        print_json(done)
    else:
        hint(f"{done['session']['name']} is in {done['session']['stage']} now.")


def say_history(found: list[Any], as_json: bool) -> None:
    """Changes, each with when, who and what."""
    if as_json:
        print_json(found)
        return
    for entry in found:
        say(_entry_line(entry))
    if not found:
        hint("Nothing has changed yet.")


async def _errors_file(client: Client, session: str, params: Mapping[str, str]) -> bytes:
    session_id = await find_session(client, session)
    return await client.content(f"/api/sessions/{session_id}/errors/export", params=dict(params))


def _say_failure(item: Mapping[str, Any]) -> None:
    """A failure, or a group of them."""
    grouped = "count" in item
    when = str(item["last_at"] if grouped else item["created_at"])[:16].replace("T", " ")
    stages = item["operation_stages"] if grouped else [item["operation_stage"]]
    times = f"{item['count']} ×  " if grouped else ""
    say((f"{times}{item['code']}", "bold"), f"  {', '.join(stages)}  {when}  ", _who(item))
    say(f"  {as_commands(item['user_message'])}")
    for action in item["recovery_actions"]:
        say(f"    → {as_commands(str(action))}")
    for run in item.get("retrying", []):
        say(f"  it is tried again by itself: {run['task_type']}, {run['tries']} tries so far")


def _say_result(ticket: Mapping[str, Any]) -> None:
    key = ticket["reference"] or ticket["state"].replace("_", " ")
    state = "" if ticket["state"] == "done" else f"  ({ticket['state'].replace('_', ' ')})"
    say((key, "bold"), f"  {ticket['title']}{state if ticket['reference'] else ''}")
    if ticket["url"]:
        say(f"  {ticket['url']}")
    for fix in ticket["manual_fixes"]:
        say((f"  → {fix}", "yellow"))


def _who(item: Mapping[str, Any]) -> str:
    return str(item["error_category"]).replace("_", " ")


def _say_impact(impact: Mapping[str, Any]) -> None:
    facts(
        {
            "deleted": ", ".join(
                f"{impact[key]} {what}"
                for key, what in (
                    ("tickets_deleted", "tickets"),
                    ("dependencies_deleted", "dependencies"),
                    ("validations_deleted", "validations"),
                )
                if impact[key]
            ),
            "files": ", ".join(impact["files_deleted"]),
            "edited": ", ".join(impact["edited_titles"][:_MOST_TITLES]),
            "kept": f"{impact['tickets_kept']} tickets, {impact['files_kept']} files",
        }
    )
    for remark in impact["remarks"]:
        say(f"  {as_commands(remark)}")


def _entry_line(entry: Mapping[str, Any]) -> str:
    when = str(entry["at"])[:19].replace("T", " ")
    details = entry["details"] or {}
    told = json.dumps(details, ensure_ascii=False) if details else ""
    cut = told if len(told) <= _LONGEST_DETAILS else f"{told[:_LONGEST_DETAILS]} …"
    who = entry["actor"] or "the system"
    return f"{when}  {who}  {entry['action']}  {entry['subject'] or ''}  {cut}".rstrip()
