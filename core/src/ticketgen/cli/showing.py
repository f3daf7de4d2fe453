"""How the commands that talk to the API speak: answers, refusals, files and questions.

What they show was written by others, so it never reaches rich as markup, nor the terminal with
its control characters.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.text import Text

from ticketgen.cli.client import ApiProblemError, Client, connected
from ticketgen.cli.connection import find_place
from ticketgen.cli.printable import one_line, printable, printable_json
from ticketgen.console import err, out, run
from ticketgen.errors import ConflictError, InvalidInputError, TicketgenError

__all__ = [
    "AsJson",
    "Yes",
    "ask",
    "columns",
    "confirm",
    "counted",
    "deliver",
    "facts",
    "hint",
    "print_json",
    "say",
    "say_aside",
    "say_findings",
    "tell",
]

ResultT = TypeVar("ResultT")

AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_SHOWN_FINDINGS = 50
_STYLES = {"error": "red", "warning": "yellow"}


def ask(work: Callable[[Client], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """What `work` gives with a client of the API; a refusal ends the command with 1."""

    async def asked() -> ResultT:
        try:
            async with connected(find_place()) as client:
                return await work(client)
        except TicketgenError as error:
            tell(error)

    return run(asked())


def tell(error: TicketgenError) -> NoReturn:
    """Say what is wrong, where in the input, what to do and what to quote, and end with 1."""
    err.print(Text.assemble(("Error: ", "red"), printable(error.message)), soft_wrap=True)
    if isinstance(error, ApiProblemError) and error.findings:
        say_findings(error.findings, to_err=True)
    else:
        for action in error.recovery_actions:
            err.print(Text(f"  → {printable(action)}"), soft_wrap=True)
    if isinstance(error, ApiProblemError) and error.error_id:
        err.print(Text(f"  error id {error.error_id}", style="dim"), soft_wrap=True)
    raise typer.Exit(1)


def say(*parts: str | tuple[str, str]) -> None:
    """One line of an answer, of texts and of texts with a style."""
    cleaned = [
        _flat(part) if isinstance(part, str) else (_flat(part[0]), part[1]) for part in parts
    ]
    out.print(Text.assemble(*cleaned), soft_wrap=True)


def hint(text: str) -> None:
    """A remark on standard error, beside the answer."""
    err.print(Text(one_line(text)), soft_wrap=True)


def say_aside(text: str) -> None:
    """A line on standard error that belongs to a refusal."""
    err.print(Text(f"  {one_line(text)}"), soft_wrap=True)


def print_json(value: Any) -> None:
    """The API's answer for a script."""
    typer.echo(printable_json(value))


def facts(values: Mapping[str, object]) -> None:
    """Names and values, one a line; without those that are empty."""
    width = max(map(len, values), default=0) + 2
    for name, value in values.items():
        if value not in (None, "", [], {}):
            say((f"{name.replace('_', ' '):<{width}}", "bold"), str(_plain(value)))


def counted(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def columns(rows: Iterable[Iterable[object]]) -> None:
    """Rows one a line, each column as wide as its widest cell but the last."""
    cells = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    for row in cells:
        padded = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        say("  ".join([*padded, row[-1]]).rstrip())


def say_findings(
    findings: Iterable[Mapping[str, Any]],
    *,
    to_err: bool = False,
    most: int | None = _SHOWN_FINDINGS,
) -> None:
    """Every finding with its place and what to do; of more than `most` the first."""
    all_of_them = list(findings)
    console = err if to_err else out
    for finding in all_of_them[:most]:
        severity = str(finding.get("severity") or "")
        line = Text.assemble(
            (f"  {severity:<8}", _STYLES.get(severity, "")),
            one_line(f"{_place(finding)}{finding.get('message') or ''}"),
        )
        console.print(line, soft_wrap=True)
        console.print(Text(f"          → {one_line(_remedy(finding))}"), soft_wrap=True)
    if most is not None and len(all_of_them) > most:
        console.print(Text(f"  … and {len(all_of_them) - most} more"))


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if somebody says so.

    Raises:
        ConflictError: nobody is there to be asked.
    """
    if yes:
        return
    try:
        agreed = typer.confirm(one_line(question), err=True)
    except typer.Abort:
        tell(
            ConflictError(
                "Nobody has answered; nothing was done.", recovery_actions=["Or give --yes."]
            )
        )
    if not agreed:
        hint("Nothing was done.")
        raise typer.Exit(1)


def deliver(content: bytes, to: Path | None) -> None:
    """Put a file where it was asked for: a path, or standard output.

    A terminal gets it as text that it does not obey.

    Raises:
        InvalidInputError: it cannot be written there.
    """
    if to is None:
        if sys.stdout.isatty():
            typer.echo(printable(content.decode(errors="replace").lstrip("\ufeff")))
        else:
            typer.echo(content, nl=False)
        return
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(content)
    except OSError as error:
        tell(
            InvalidInputError(
                f"{to} cannot be written: {error.strerror}.",
                recovery_actions=["Choose another place with --out."],
            )
        )
    hint(f"{len(content):,} bytes written to {to}.")


def _flat(text: str) -> str:
    """The text on one line, with its spaces."""
    return printable(text).replace("\n", " ").replace("\t", " ")


def _plain(value: Any) -> Any:
    """A value of an answer in words: the small tables in it on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "; ".join(str(_plain(part)) for part in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def _place(finding: Mapping[str, Any]) -> str:
    row, column = finding.get("row"), finding.get("column")
    parts = [
        finding.get("file"),
        f"row {row}" if row else None,
        f"column “{column}”" if column else None,
        finding.get("path"),
    ]
    found = ", ".join(str(part) for part in parts if part)
    return f"{found}: " if found else ""


def _remedy(finding: Mapping[str, Any]) -> str:
    near = [str(one) for one in finding.get("suggestions") or []]
    meant = f" Did you mean {' or '.join(f'“{one}”' for one in near[:3])}?" if near else ""
    return f"{finding.get('remedy') or ''}{meant}"
