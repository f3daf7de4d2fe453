"""`ticketgen upload`: the sheets of a session, sent, listed, corrected and fetched again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from ticketgen.cli.choosing import SessionWord, find_file, find_session
from ticketgen.cli.client import Client
from ticketgen.cli.sheets import chosen_sheets
from ticketgen.cli.showing import (
    AsJson,
    ask,
    columns,
    counted,
    deliver,
    hint,
    print_json,
    say_findings,
)
from ticketgen.errors import InvalidInputError

__all__ = ["app"]

app = typer.Typer(help="The sheets of a session.", no_args_is_help=True)

FileWord = Annotated[
    str,
    typer.Argument(metavar="FILE", help="Its name, its id, or the beginning of its id."),
]
OfType = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="[NAME=]TYPE",
        help="The type of one sheet, or of all, if it is not to be told from name and header.",
    ),
]


@app.command()
def files(
    session: SessionWord,
    paths: Annotated[
        list[Path], typer.Argument(help="CSV files, workbooks, and folders with such.")
    ],
    of_type: OfType = None,
    as_json: AsJson = False,
) -> None:
    """Upload sheets in one request: all of them, or, if one cannot be read, none."""
    types, for_all = _types(of_type or [])

    async def work(client: Client) -> Any:
        sheets, passed_over = chosen_sheets(paths)
        if passed_over:
            hint(f"Left out: {counted(passed_over, 'file')} in the folders, which are no sheets.")
        session_id = await find_session(client, session)
        return await _send(client, session_id, sheets, types, for_all)

    stored = ask(work)
    if as_json:
        print_json(stored)
        return
    columns(_row(item) for item in stored["uploads"])
    say_findings(stored["findings"])


@app.command("list")
def list_all(session: SessionWord, as_json: AsJson = False) -> None:
    """List the files of a session: name, type, rows, and how sure the type is."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        return await client.call("GET", f"/api/sessions/{session_id}/uploads")

    found = ask(work)
    if as_json:
        print_json(found)
        return
    columns(_row(item) for item in found)
    if not found:
        hint("The session has no files.")


@app.command("type")
def correct(
    session: SessionWord,
    file: FileWord,
    csv_type: Annotated[str, typer.Argument(metavar="TYPE", help="One of the types of sheets.")],
    as_json: AsJson = False,
) -> None:
    """Correct the type of one sheet without uploading it again; see `processing types`."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        upload_id = await find_file(client, session_id, file)
        path = f"/api/sessions/{session_id}/uploads/{upload_id}"
        return await client.call("PATCH", path, json={"csv_type": csv_type})

    changed = ask(work)
    if as_json:
        print_json(changed)
        return
    # The answer has the findings beside the sheet, or is the sheet.
    columns([_row(changed.get("upload", changed))])
    say_findings(changed.get("findings", []))


@app.command()
def content(
    session: SessionWord,
    file: FileWord,
    to: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: standard output.")
    ] = None,
) -> None:
    """Get a file as it is stored."""

    async def work(client: Client) -> bytes:
        session_id = await find_session(client, session)
        upload_id = await find_file(client, session_id, file)
        return await client.content(f"/api/sessions/{session_id}/uploads/{upload_id}/content")

    deliver(ask(work), to)


@app.command()
def remove(
    session: SessionWord,
    names: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Names, ids, or beginnings of ids.")
    ],
) -> None:
    """Take files out of a session; one in review goes back to `upload`."""

    async def work(client: Client) -> int:
        session_id = await find_session(client, session)
        # All are found before the first is gone: a wrong name takes nothing out.
        found = [await find_file(client, session_id, name) for name in names]
        for upload_id in dict.fromkeys(found):
            await client.call("DELETE", f"/api/sessions/{session_id}/uploads/{upload_id}")
        return len(set(found))

    hint(f"{counted(ask(work), 'file')} removed.")


async def _send(
    client: Client,
    session_id: str,
    sheets: Sequence[Path],
    types: Mapping[str, str],
    for_all: str | None,
) -> Any:
    with ExitStack() as opened:
        try:
            parts = [
                ("files", (path.name, opened.enter_context(path.open("rb")))) for path in sheets
            ]
        except OSError as error:
            raise InvalidInputError(
                f"{error.filename} cannot be read: {error.strerror}.",
                recovery_actions=["Correct its permissions, or leave it out."],
            ) from error
        return await client.call(
            "POST",
            f"/api/sessions/{session_id}/uploads",
            files=parts,
            data={"types": json.dumps(dict(types))} if types else None,
            params={"csv_type": for_all} if for_all else None,
        )


def _types(words: Sequence[str]) -> tuple[dict[str, str], str | None]:
    """Types of single sheets, and the type of all others; a sheet's name may have `=` in it."""
    single: dict[str, str] = {}
    for_all: str | None = None
    for word in words:
        name, equals, csv_type = word.rpartition("=")
        if not csv_type or (equals and not name):
            raise typer.BadParameter(f"{word!r} is no TYPE and no NAME=TYPE.", param_hint="--type")
        if equals:
            single[name] = csv_type
        elif for_all is not None:
            raise typer.BadParameter("Two types for all sheets are given.", param_hint="--type")
        else:
            for_all = csv_type
    return single, for_all


def _row(item: Mapping[str, Any]) -> tuple[object, ...]:
    confidence = item.get("confidence")
    sure = "" if confidence is None else f"{confidence:.0%} sure"
    return (
        item["file_name"],
        item["csv_type"],
        counted(item["row_count"], "row"),
        sure,
        item.get("detected_by") or "",
    )
