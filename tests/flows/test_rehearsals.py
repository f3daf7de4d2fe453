"""`ticketgen demo --target …`: to the stand-in for Jira, and to whatever a stranger brings."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.plugin_sources import plugin_source
from tests.flows.commands import TICKETGEN, environment, eventually, marked, run
from ticketgen.testing import InstalledPlugin

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found through /proc"),
]

Install = Callable[..., InstalledPlugin]


def test_the_demo_makes_issues_with_links_in_a_stand_in_for_jira(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    done = run("demo", "--target", "jira-stub", cwd=tmp_path, mark="stub-demo", TMPDIR=str(scratch))

    assert done.returncode == 0, done.stderr
    exported = re.search(r"(\d+) tickets exported in order of work", done.stdout)
    got = re.search(r"got (\d+) issues, (\d+) links and 0 attachments", done.stdout)
    assert exported is not None, done.stdout
    assert got is not None, done.stdout
    folder = tmp_path / "ticketgen-jira-stub"
    kept = json.loads((folder / "jira-stub.json").read_bytes())
    assert int(exported[1]) == int(got[1]) == len(kept["issues"]) > 25
    assert int(got[2]) == len(kept["links"]) > 25
    assert {issue["fields"]["description"]["type"] for issue in kept["issues"]} == {"doc"}
    assert all(issue["url"].endswith(f"/browse/{issue['key']}") for issue in kept["issues"])
    assert {path.name for path in folder.iterdir()} >= {"findings.json", "jira-stub.json"}
    assert done.stderr == ""
    assert marked("stub-demo") == {}
    assert list(scratch.iterdir()) == []


_STRANGE = """
from contextlib import asynccontextmanager
from pathlib import Path
from ticketgen.errors import InvalidInputError
from ticketgen.provides import (
    CompletedExport, ExportedFile, ExportTarget, OpenRehearsal, Rehearsal, RehearsalReport,
    SentTicket,
)

async def send(ticket, sending):
    if sending.options["tower"] == "broken":
        raise InvalidInputError("The bell is cracked.", recovery_actions=["Cast another one."])
    return SentTicket(
        ticket_id=ticket.id, reference=ticket.title, manual_fixes=(f"Ring for {ticket.title}.",)
    )

async def complete(tickets, sent, sending):
    return CompletedExport()

def opening(tower):
    @asynccontextmanager
    async def opened(context):
        who = await context.call("GET", "/api/export/targets")
        if tower == "shut":
            raise OSError(98, "the door is locked")
        async def report(session_id):
            session = await context.call("GET", f"/api/sessions/{session_id}")
            return RehearsalReport(
                lines=(f"[red]{len(who)} targets, by the name {session['description']}",),
                title="Bells",
                columns=("Bell", "Tone"),
                rows=(("Big [bold]Ben", "e"),),
                files={"bells.txt": b"ding"},
            )
        Path("opened").touch()
        try:
            yield OpenRehearsal(options={"tower": tower}, report=report)
        finally:
            Path("closed").touch()
    return opened
"""
_TARGET = "ExportTarget(name='tower', summary='Bells.', send=send, complete=complete)"
_REHEARSALS = ", ".join(
    f"Rehearsal(name='tower-{kind}', summary='Bells.', target='tower', open=opening('{kind}'))"
    for kind in ("good", "broken", "shut")
)


@pytest.fixture
def strange(install_plugin: Install) -> str:
    """The path on which a process finds a stranger's target and rehearsals."""
    source = plugin_source("acme_bells", provides=f"({_TARGET}, {_REHEARSALS})", before=_STRANGE)
    return str(install_plugin("acme_bells", source).directory)


def test_a_stranger_may_bring_a_rehearsal_of_its_own_target(strange: str, tmp_path: Path) -> None:
    done = run("demo", "--target", "tower-good", cwd=tmp_path, mark="tower", PYTHONPATH=strange)

    assert done.returncode == 0, done.stderr
    fixes = (tmp_path / "ticketgen-tower-good/manual-fixes.txt").read_text().splitlines()
    assert "[red]3 targets, by the name Made by `ticketgen demo`." in done.stdout
    assert "Big [bold]Ben" in done.stdout
    assert (tmp_path / "ticketgen-tower-good/bells.txt").read_bytes() == b"ding"
    assert f"{len(fixes)} things to be mended by hand:" in done.stdout
    assert fixes[0].startswith("Ring for ")
    assert (tmp_path / "closed").exists()
    assert marked("tower") == {}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("broken", ["Error: The bell is cracked.", "→ Cast another one."]),
        (
            "shut",
            ["'tower-shut' of the plugin 'acme_bells' cannot begin: OSError: ", "door is locked"],
        ),
    ],
)
def test_a_demo_whose_export_or_rehearsal_fails_says_why_and_stops_everything(
    kind: str, said: list[str], strange: str, tmp_path: Path
) -> None:
    mark = f"tower-{kind}"

    done = run("demo", "--target", f"tower-{kind}", cwd=tmp_path, mark=mark, PYTHONPATH=strange)

    assert done.returncode == 1
    assert all(part in done.stderr for part in said), done.stderr
    assert "→" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "closed").exists() == (kind == "broken")
    assert not list(tmp_path.glob("ticketgen-*"))
    assert marked(mark) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_rehearsal_that_is_interrupted_is_closed(
    number: signal.Signals, strange: str, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mark = f"rehearsal-{number.name}"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*TICKETGEN, "demo", "--target", "tower-good"],
            cwd=tmp_path,
            env=environment(mark, TMPDIR=str(scratch), PYTHONPATH=strange),
            stdout=subprocess.DEVNULL,
            stderr=output,
        )
    assert eventually(lambda: (tmp_path / "opened").exists())

    process.send_signal(number)
    process.wait(timeout=100)

    assert process.returncode == 128 + number
    assert "Traceback" not in log.read_text()
    assert (tmp_path / "closed").exists()
    assert eventually(lambda: not marked(mark)), marked(mark)
    assert list(scratch.iterdir()) == []
