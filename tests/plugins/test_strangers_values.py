"""What a stranger contributes is used like what our own plugins contribute."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest
from typer.testing import CliRunner

from tests.plugins import journeys
from ticketgen.cli.main import app
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin

ACME = """
from ticketgen import Finding, Plugin, Severity, hookimpl
from ticketgen.provides import (
    AdfCheck, Column, CompletedExport, CsvType, ExportedFile, ExportTarget, SentTicket,
    WrittenText, plain_writer,
)

BELLS = CsvType(
    name="acme_bells",
    label="Bell",
    entity_group="Bells",
    file_stems=("bells",),
    columns=(Column(name="Bell", required=True), Column(name="Tower")),
    title_column="Bell",
)


async def write(brief):
    return WrittenText(user_story=f"Ring {brief.component.title}.", success_criteria=("It rings.",))


async def send(ticket, sending):
    return SentTicket(ticket_id=ticket.id, reference=f"ACME-{ticket.position}")


async def complete(tickets, sent, sending):
    lines = [f"{sent[ticket.id].reference} {ticket.title}" for ticket in tickets]
    content = chr(10).join(lines).encode()
    file = ExportedFile(name="acme.txt", media_type="text/plain", content=content)
    return CompletedExport(files=(file,))


def loud(document):
    text = str(document)
    if "Cracked" in text:
        raise ValueError("cracked")
    if "Loud" not in text:
        return []
    return [Finding(severity=Severity.ERROR, rule="acme.loud", message="Loud.", remedy="Hush.")]


@hookimpl
def ticketgen_plugin():
    return Plugin(
        name="acme",
        summary="Rings.",
        provides=(
            BELLS,
            plain_writer(name="bellringer", summary="Rings the words.", write=write),
            ExportTarget(name="belfry", summary="A tower.", send=send, complete=complete),
            AdfCheck(name="loudness", summary="Listens.", check=loud),
        ),
    )
"""

BELLS = {"site-bells.csv": b"Bell,Tower\nGloriosa,South\nMaria,North\n"}


@pytest.fixture
def acme(install_plugin: Callable[..., InstalledPlugin]) -> InstalledPlugin:
    """The stranger, installed before the host of the test starts."""
    return install_plugin("acme", ACME)


@pytest.fixture
async def runtime(acme: InstalledPlugin, settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings) as opened:
        yield opened


def _listed(*arguments: str) -> dict[str, str]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return {item["name"]: item["plugin"] for item in json.loads(result.stdout)}


@pytest.mark.services
async def test_a_strangers_sheets_are_detected_written_checked_and_sent_its_way(api: Api) -> None:
    session_id = await journeys.generated(api, BELLS, writer="bellringer")
    tickets = await journeys.tickets(api, session_id)
    verdict = await journeys.do(api, "adf_validation", session_id)
    summary = await journeys.do(api, "export", session_id, target="belfry")

    files = await journeys.exported(api, session_id)

    assert [(ticket["csv_type"], ticket["entity_group"]) for ticket in tickets] == [
        ("acme_bells", "Bells")
    ] * 2
    assert "Ring Bell: Gloriosa." in tickets[0]["description"]
    assert (verdict["passed"], verdict["warnings"]) == (True, 0)
    assert summary["target"] == "belfry"
    assert [line.split(" ", 1)[1] for line in files["acme.txt"].decode().splitlines()] == [
        ticket["title"] for ticket in tickets
    ]


@pytest.mark.services
async def test_an_error_of_a_strangers_check_fails_the_verdict_and_its_failure_only_warns(
    api: Api,
) -> None:
    session_id = await journeys.generated(api, BELLS)
    first, second = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, description="Loud.")
    await journeys.edit(api, session_id, second, description="Cracked.")

    verdict = await journeys.do(api, "adf_validation", session_id)

    report = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    found = [
        (ticket["passed"], finding["rule"], finding["severity"])
        for ticket in report["tickets"]
        for finding in ticket["findings"]
    ]
    assert (verdict["passed"], verdict["tickets_failed"]) == (False, 1)
    assert sorted(found) == [
        (False, "acme.loud", "error"),
        (True, "acme.loudness_failed", "warning"),
    ]


def test_what_a_stranger_brings_is_listed_beside_ours_with_its_plugin(
    acme: InstalledPlugin, clean_environment: pytest.MonkeyPatch
) -> None:
    types = _listed("processing", "types")
    writers = _listed("processing", "writers")
    targets = _listed("export", "targets")

    assert (types["acme_bells"], types["bundles"]) == ("acme", "processing")
    assert writers["bellringer"] == "acme"
    assert writers["template"] == "processing"
    assert targets == {"belfry": "acme", "file": "export", "jira": "export"}


def test_the_columns_of_a_strangers_sheets_are_shown(
    acme: InstalledPlugin, clean_environment: pytest.MonkeyPatch
) -> None:
    shown = CliRunner().invoke(app, ["processing", "types"]).stdout

    assert "acme_bells  Bell  (acme)\n  files: …bells\n  columns: Bell*, Tower\n" in shown
