"""`ticketgen sessions`, its tasks: check, generate, validate, export, and what is at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ticketgen.cli.choosing import SessionWord, find_session
from ticketgen.cli.client import Client
from ticketgen.cli.exported import require_free, unpack
from ticketgen.cli.following import watch_with_bar
from ticketgen.cli.session_steps import perform
from ticketgen.cli.showing import (
    AsJson,
    ask,
    columns,
    counted,
    deliver,
    facts,
    hint,
    print_json,
    say,
)
from ticketgen.errors import NotFoundError

__all__ = ["Edits", "Wait", "app", "say_ending"]

app = typer.Typer()

Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for its end, with a bar on standard error.")
]


class Edits(StrEnum):
    """What becomes of the words that a person has edited."""

    ASK = "ask"
    KEEP = "keep"
    DROP = "drop"


def _dollars(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter("Give an amount of US dollars, such as 2.50.")
    return amount


EditsOption = Annotated[
    Edits, typer.Option(help="What becomes of edited words: keep them, drop them, or refuse.")
]


@app.command()
def check(session: SessionWord, wait: Wait = True, as_json: AsJson = False) -> None:
    """Check all sheets together and report what is wrong; ends with 1 if errors are open."""
    done = ask(lambda client: perform(client, "processing.check", session, wait=wait))
    say_ending(done, as_json)
    summary = done.get("result_summary") or {}
    open_errors = summary.get("errors", 0) - summary.get("accepted_errors", 0)
    if open_errors:
        hint(f"See what is wrong with `ticketgen findings show {done['session_id']}`.")
        raise typer.Exit(1)


@app.command()
def generate(
    session: SessionWord,
    edits: EditsOption = Edits.ASK,
    budget: Annotated[
        Decimal | None,
        typer.Option(
            parser=_dollars, metavar="DOLLARS", help="Stop before this run costs more than that."
        ),
    ] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Make the tickets from the sheets; see `estimate` for what it costs."""
    request = {"edits": str(edits), **({} if budget is None else {"budget": str(budget)})}
    say_ending(
        ask(lambda client: perform(client, "processing", session, request, wait=wait)), as_json
    )


@app.command()
def estimate(session: SessionWord, edits: EditsOption = Edits.ASK, as_json: AsJson = False) -> None:
    """Say what a generation would write, cost and take."""
    _look(session, "/api/processing/estimate/{}", as_json, params={"edits": str(edits)})


@app.command()
def usage(session: SessionWord, as_json: AsJson = False) -> None:
    """Say what the session's texts have cost so far."""
    _look(session, "/api/processing/usage/{}", as_json)


@app.command()
def validate(session: SessionWord, wait: Wait = True, as_json: AsJson = False) -> None:
    """Convert every ticket to Jira's format and check it; ends with 1 if one fails."""

    async def work(client: Client) -> tuple[dict[str, Any], list[str]]:
        done = await perform(client, "adf_validation", session, wait=wait)
        passed = (done.get("result_summary") or {}).get("passed", True)
        return done, [] if passed else await _refused_tickets(client, done["session_id"])

    done, refused = ask(work)
    say_ending(done, as_json)
    if not refused:
        return
    for line in refused:
        hint(line)
    raise typer.Exit(1)


@app.command()
def export(
    session: SessionWord,
    target: Annotated[str, typer.Option(help="Where to; see `ticketgen export targets`.")] = "file",
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What the target asks for, such as issue_type=Story; may be repeated.",
        ),
    ] = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Export the validated tickets in order of work; `download` gets the files."""
    request = {"target": target, "options": _options(option or ())}
    done = ask(lambda client: perform(client, "export", session, request, wait=wait))
    fixes = [] if as_json else (done.get("result_summary") or {}).pop("manual_fixes", [])
    say_ending(done, as_json)
    if fixes:
        say(("to be mended by hand", "bold"))
        for fix in fixes:
            say(f"  {fix}")


@app.command()
def download(
    session: SessionWord,
    to: Annotated[
        Path, typer.Option("--out", help="A folder, or a file that ends in .zip.")
    ] = Path("ticketgen-export"),
) -> None:
    """Get the files of the last export, unpacked in a folder or as one archive."""
    archived = to.suffix.lower() == ".zip"

    async def work(client: Client) -> bytes:
        if not archived:
            require_free(to)
        session_id = await find_session(client, session)
        return await client.content(f"/api/export/download/{session_id}")

    content = ask(work)
    if archived:
        deliver(content, to)
        return

    async def unpacked(_: Client) -> list[str]:
        return unpack(content, to)

    hint(f"{counted(len(ask(unpacked)), 'file')} in {to}.")


@app.command()
def status(
    session: SessionWord,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for what is at work.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the newest run of each task: where it stands, or how it ended."""

    async def work(client: Client) -> list[dict[str, Any]]:
        session_id = await find_session(client, session)
        runs = await _runs(client, session_id)
        if wait and any(run["status"] == "processing" for run in runs):
            for run in runs:
                if run["status"] == "processing":
                    await watch_with_bar(client, run, session_id)
            runs = await _runs(client, session_id)
        return runs

    runs = ask(work)
    if as_json:
        print_json(runs)
        return
    newest = {run["task_type"]: run for run in reversed(runs)}
    columns(_run_row(run) for run in newest.values())
    for run in newest.values():
        error = run["error"] or {}
        if run["status"] == "failed" and error.get("user_message"):
            say(f"{run['task_type']}: {error['user_message']}")
    if not runs:
        hint("Nothing has run in it yet.")


@app.command()
def cancel(session: SessionWord, as_json: AsJson = False) -> None:
    """End everything that waits or is at work in a session."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        return await client.call("POST", f"/api/sessions/{session_id}/cancel")

    stopped = ask(work)
    if as_json:
        print_json(stopped)
        return
    for run in stopped["cancelled"]:
        hint(f"{run['task_type']} is cancelled.")
    for run in stopped["stopping"]:
        hint(f"{run['task_type']} ends as soon as its worker hears of it.")
    if not stopped["cancelled"] and not stopped["stopping"]:
        hint("Nothing was at work.")


@app.command()
def retry(session: SessionWord, wait: Wait = True, as_json: AsJson = False) -> None:
    """Try the newest failed or cancelled run again; it goes on where it stopped."""

    async def work(client: Client) -> dict[str, Any]:
        session_id = await find_session(client, session)
        runs = await _runs(client, session_id)
        if not runs:
            raise NotFoundError(
                "Nothing has run in this session.",
                recovery_actions=[f"Begin with `ticketgen sessions generate {session_id}`."],
            )
        started = await client.call("POST", f"/api/runs/{runs[0]['task_id']}/retry")
        return await watch_with_bar(client, started, session_id) if wait else dict(started)

    say_ending(ask(work), as_json)


def say_ending(done: dict[str, Any], as_json: bool) -> None:
    """What came of a run; of one that is not waited for its id."""
    if as_json:
        print_json(done)
    elif "result_summary" in done:
        facts(done["result_summary"] or {})
    else:
        typer.echo(done["task_id"])


def _look(session: str, path: str, as_json: bool, params: Mapping[str, str] | None = None) -> None:
    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        return await client.call("GET", path.format(session_id), params=dict(params or {}))

    found = ask(work)
    if as_json:
        print_json(found)
    else:
        facts(found)


async def _runs(client: Client, session_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await client.call("GET", f"/api/sessions/{session_id}/runs")
    return found


def _run_row(run: Mapping[str, Any]) -> tuple[object, ...]:
    share = run["progress_percentage"]
    waits = (run["parked"] or {}).get("message")
    stage = waits or (run["current_stage"] or "" if run["status"] == "processing" else "")
    ended = (run["finished_at"] or run["created_at"])[:16].replace("T", " ")
    shown = f"{share:.0f} %" if share is not None else ""
    return run["task_type"], run["status"], f"{shown:>5}", ended, stage


async def _refused_tickets(client: Client, session_id: str) -> list[str]:
    """Each ticket that did not pass, and why, in the order of work."""
    report = await client.call("GET", f"/api/adf_validation/results/{session_id}")
    failed = {item["ticket_id"]: item for item in report["tickets"] if not item["passed"]}
    listed = await client.pages(f"/api/sessions/{session_id}/tickets", within="tickets")
    return [
        f"{ticket['position']}  {ticket['title']}: {finding['message']} {finding['remedy']}"
        for ticket in listed
        for finding in failed.get(ticket["id"], {}).get("findings", [])
        if finding["severity"] == "error"
    ] or ["The tickets did not pass."]


def _options(words: Iterable[str]) -> dict[str, str]:
    """Each option by its name; the target reads numbers, yes and no out of the words."""
    options: dict[str, str] = {}
    for name, value in map(_pair, words):
        if name in options:
            raise typer.BadParameter(f"{name} is there twice.", param_hint="--option")
        options[name] = value
    return options


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r} is no NAME=VALUE.", param_hint="--option")
    return name, value
