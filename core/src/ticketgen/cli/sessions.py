"""`ticketgen sessions`: begin one, see where it stands and what comes next, give it away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ticketgen.cli import session_reports, session_runs, session_steps
from ticketgen.cli.choosing import SessionWord, find_session
from ticketgen.cli.client import Client
from ticketgen.cli.equivalents import command_of
from ticketgen.cli.showing import AsJson, Yes, ask, columns, confirm, facts, hint, print_json, say
from ticketgen.domain.sessions import Stage

__all__ = ["app"]

app = typer.Typer(help="Work on one specification, from sheets to export.", no_args_is_help=True)

Description = Annotated[str | None, typer.Option(help="Context for the writer.")]
JiraProject = Annotated[
    str | None, typer.Option("--jira-project", help="Key of the Jira project, such as HM.")
]
WriterName = Annotated[
    str | None, typer.Option(help="Who writes the words; see `ticketgen processing writers`.")
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The project's name.")],
    description: Description = None,
    jira_project: JiraProject = None,
    writer: WriterName = None,
    as_json: AsJson = False,
) -> None:
    """Begin a session and print its id."""
    site = _given(description=description, jira_project_key=jira_project, writer=writer)

    async def work(client: Client) -> Any:
        return await client.call("POST", "/api/sessions", json={"name": name, **site})

    made = ask(work)
    if as_json:
        print_json(made)
    else:
        typer.echo(made["id"])


@app.command("list")
def list_all(
    stage: Annotated[list[Stage] | None, typer.Option(help="In it; may be repeated.")] = None,
    containing: Annotated[
        str, typer.Option("-q", "--containing", help="All these words in name or description.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the sessions, the latest changed first: id, stage, last change, name."""

    async def work(client: Client) -> list[Any]:
        params = {"stage": [str(one) for one in stage or ()], "q": containing}
        return await client.pages("/api/sessions", params)

    found = ask(work)
    if as_json:
        print_json(found)
        return
    columns(
        (item["id"], item["stage"], _minute(item["updated_at"]), item["name"]) for item in found
    )
    if not found:
        hint("There is no such session.")


@app.command()
def show(session: SessionWord, as_json: AsJson = False) -> None:
    """Show a session: its stage, what it holds, and what can be done next."""

    async def work(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        session_id = await find_session(client, session)
        found = await client.call("GET", f"/api/sessions/{session_id}")
        return found, await _standing(client, session_id)

    found, standing = ask(work)
    if as_json:
        print_json({**standing, **found})
        return
    facts(
        {
            "session": found["id"],
            "name": found["name"],
            "about": found["description"],
            "project": found["jira_project_key"],
            "writer": found["writer"],
            "stage": found["stage"],
            **_counted(standing["counts"]),
            "at work": ", ".join(run["task_type"] for run in standing.get("active_runs", [])),
            "failed": _failed(standing.get("last_failure")),
            "kept until": _minute(standing.get("expires_at")),
        }
    )
    for step in standing.get("next_steps", []):
        route = f"{step['method']} {step['path']}"
        command = command_of(route, session=found["id"])
        say(("next  ", "bold"), f"{step['title']}  {command or route}")


@app.command()
def change(
    session: SessionWord,
    name: Annotated[str | None, typer.Option(help="Its new name.")] = None,
    description: Description = None,
    jira_project: JiraProject = None,
    writer: WriterName = None,
    as_json: AsJson = False,
) -> None:
    """Change what is said about the site; an empty --jira-project takes the key away."""
    values = _given(name=name, description=description, writer=writer)
    if jira_project is not None:
        values["jira_project_key"] = jira_project or None
    if not values:
        raise typer.BadParameter("Name at least one thing that is to change.")

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        return await client.call("PATCH", f"/api/sessions/{session_id}", json=values)

    changed = ask(work)
    if as_json:
        print_json(changed)
    else:
        hint(f"Changed {changed['name']}.")


@app.command()
def recoverable(as_json: AsJson = False) -> None:
    """List your sessions that are not finished, with what came in the way and what comes next."""

    async def work(client: Client) -> list[Any]:
        return await client.pages("/api/sessions/recoverable")

    found = ask(work)
    if as_json:
        print_json(found)
        return
    for item in found:
        say((item["id"], "bold"), f"  {item['stage']}  {item['name']}")
        failed = _failed(item["last_failure"])
        if failed:
            say(f"  failed  {failed}")
        for step in item["next_steps"][:1]:
            route = f"{step['method']} {step['path']}"
            say(f"  next    {step['title']}  {command_of(route, session=item['id']) or route}")
        if item["expires_at"]:
            say(f"  kept until {_minute(item['expires_at'])}")
    if not found:
        hint("Nothing is unfinished.")


@app.command("hand-over")
def hand_over(
    session: SessionWord,
    user: Annotated[str, typer.Argument(help="The colleague's name.")],
    as_json: AsJson = False,
) -> None:
    """Give a session to a colleague; you lose it, unless you are an administrator."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        return await client.call("POST", f"/api/sessions/{session_id}/owner", json={"user": user})

    given = ask(work)
    if as_json:
        print_json(given)
    else:
        hint(f"{given['name']} belongs to {user} now.")


@app.command()
def delete(
    session: SessionWord,
    yes: Yes = False,
    cancel: Annotated[bool, typer.Option(help="Also cancel what is at work in it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a session with all that belongs to it, once you have agreed."""

    async def look(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        session_id = await find_session(client, session)
        found = await client.call("GET", f"/api/sessions/{session_id}")
        return found, await _standing(client, session_id)

    found, standing = ask(look)
    held = standing["counts"]
    confirm(
        f"Delete {found['name']!r} with {held['files']} files and {held['tickets']} tickets, "
        f"{held['edited_tickets']} of them edited?",
        yes=yes,
    )
    gone = ask(lambda client: session_steps.delete(client, found["id"], cancel=cancel))
    if as_json:
        print_json(gone)
        return
    for remark in gone["remarks"]:
        hint(remark)
    hint(f"Deleted {gone['name']}.")


async def _standing(client: Client, session_id: str) -> dict[str, Any]:
    """What the list of unfinished sessions says of it; of others what can be counted."""
    for item in await client.pages("/api/sessions/recoverable"):
        if item["id"] == session_id:
            return dict(item)
    files = await client.call("GET", f"/api/sessions/{session_id}/uploads")
    readiness = await client.call("GET", f"/api/sessions/{session_id}/export-readiness")
    summary = readiness["summary"]
    counts = {
        "files": len(files),
        "file_bytes": sum(file["size"] for file in files),
        "tickets": summary["tickets"],
        "edited_tickets": summary["edited_tickets"],
        "validated": bool(summary["validation_passed"]) and not summary["edited_since_validation"],
    }
    return {"counts": counts}


def _counted(counts: Mapping[str, Any]) -> dict[str, str]:
    edited = f", {counts['edited_tickets']} of them edited" if counts["edited_tickets"] else ""
    return {
        "files": f"{counts['files']} ({counts['file_bytes']:,} bytes)",
        "tickets": f"{counts['tickets']}{edited}",
        "validated": "yes" if counts["validated"] else "no",
    }


def _failed(last: Mapping[str, Any] | None) -> str:
    if not last:
        return ""
    overcome = " (overcome)" if last.get("overcome") else ""
    return f"{last['operation_stage']}: {last['user_message']}{overcome}"


def _given(**values: str | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _minute(moment: str | None) -> str:
    return (moment or "")[:16].replace("T", " ")


app.add_typer(session_runs.app)
app.add_typer(session_reports.app)
