"""`ticketgen adf_validation …`: a look at a description without a session, or a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ticketgen import Finding, Severity
from ticketgen.commands import contributions, out
from ticketgen.errors import InvalidInputError
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.documents import described
from ticketgen_adf_validation.judging import judge

__all__ = ["app"]

app = typer.Typer(help="Converts descriptions to ADF and back, and checks them.")


@app.command()
def check(
    file: Annotated[
        Path,
        typer.Argument(help="A description in Markdown, or an ADF document in JSON; - reads it."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what Jira would refuse, and what the checks of all plugins say; 1 if it is an error."""
    text = _read(file)
    document = _parsed(text, name=str(file)) if _is_json(file, text) else markdown_to_adf(text)
    findings = judge(document, contributions().owned(AdfCheck))
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if as_json:
        shown = [finding.model_dump(mode="json", exclude_none=True) for finding in findings]
        typer.echo(json.dumps({"passed": errors == 0, "findings": shown}, indent=2))
    else:
        _print(findings, errors)
    if errors:
        raise typer.Exit(1)


@app.command()
def adf(
    file: Annotated[Path, typer.Argument(help="A description in Markdown; - reads it.")],
) -> None:
    """Print the ADF document that a description becomes."""
    document = markdown_to_adf(_read(file))
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


@app.command()
def markdown(
    file: Annotated[Path, typer.Argument(help="An ADF document in JSON; - reads it.")],
) -> None:
    """Print the Markdown of a description that was edited in Jira, with every word in it."""
    typer.echo(described(_parsed(_read(file), name=str(file))), nl=False)


def _read(file: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be read: {error.strerror or error}.",
            recovery_actions=["Name a file that is there, or - for standard input."],
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{file} is no text in UTF-8: {error.reason} at byte {error.start}.",
            recovery_actions=["Save it as UTF-8."],
        ) from error


def _is_json(file: Path, text: str) -> bool:
    """By the name; what has none is JSON if it begins like an object."""
    return file.suffix == ".json" or (str(file) == "-" and text.lstrip().startswith("{"))


def _parsed(text: str, *, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{name} is no JSON: {error}.",
            recovery_actions=["Correct it; or give Markdown, in a file whose name ends in .md."],
        ) from error


def _print(findings: Sequence[Finding], errors: int) -> None:
    for finding in findings:
        place = f" at {finding.path}" if finding.path else ""
        line = f"{finding.severity}  {finding.rule}{place}: {finding.message}"
        out.print(escape(line), soft_wrap=True, highlight=False)
        out.print(escape(f"  → {finding.remedy}"), soft_wrap=True, highlight=False)
    out.print(f"{errors} errors, {len(findings) - errors} warnings.", highlight=False)
