from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from uuid import uuid4

import pytest

from tests.core.cli.prompting import Prompt
from tests.rules.tree import ROOT

pytestmark = pytest.mark.services

_PAGE = (ROOT / "docs/making-tickets.md").read_text(encoding="utf-8")


async def test_the_commands_of_the_page_lead_from_sheets_to_files(
    prompt: Prompt, specification: Path
) -> None:
    prompt.environment.chdir(specification.parent)
    [block] = re.findall(r"```sh\n(.*?)```", _PAGE, re.DOTALL)
    create, *others = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    meant = {"SESSION": (await prompt.said(*create)).strip()}
    said: dict[str, str] = {}

    for line in others:
        done = await prompt.done(*(meant.get(word, word) for word in line))
        said[" ".join(line[:2])] = done.output
        assert done.exit_code == (line[1] == "check"), (line, done.output)
        if line[:2] == ["findings", "show"]:
            meant["GROUP"] = re.findall(r"^error +(\S+)", done.stdout, re.MULTILINE)[0]

    assert "Left out: 2 files" in said["upload files"]
    assert re.search(r"^Fields.csv +fields +3 rows", said["upload files"], re.MULTILINE)
    assert re.search(r"errors +1\n", said["sessions check"])
    assert "Topixx (Vocabulary)" in said["findings show"]
    assert "1 accepted, 0 open" in said["findings accept"]
    assert re.search(r"tickets generated +3\n", said["sessions generate"])
    assert [line.split()[0] for line in said["tickets list"].splitlines()[:3]] == ["1", "2", "3"]
    assert re.search(r"passed +yes\n", said["sessions validate"])
    assert len((specification.parent / "export/tickets.jsonl").read_text().splitlines()) == 3


async def test_a_generation_that_errors_stop_says_which_command_helps(
    prompt: Prompt, specification: Path
) -> None:
    session = await prompt.session()
    await prompt.said("upload", "files", session, str(specification))

    refused = await prompt.refused("sessions", "generate", "Harbour Museum")
    grouped = await prompt.json("sessions", "errors", session)
    each = await prompt.json("sessions", "errors", session, "--list", "--severity", "blocking")
    file = await prompt.said("sessions", "errors", session, "--csv")
    retried = await prompt.refused("sessions", "retry", session)
    status = await prompt.said("sessions", "status", session)
    shown = await prompt.json("sessions", "show", session)

    assert "Topixx" in refused or "Ref. bundle" in refused
    assert "`ticketgen findings show SESSION`" in refused
    assert "GET /api" not in refused
    assert f"error id {each[0]['id']}" in refused
    assert [group["code"] for group in grouped] == ["processing.sheet_errors"]
    assert file.splitlines()[1].startswith(each[0]["id"])
    assert "Ref. bundle" in retried
    assert re.search(r"^processing +failed", status, re.MULTILINE)
    assert shown["stage"] == "upload"
    assert shown["counts"]["files"] == 2
    assert shown["next_steps"]


async def test_a_session_is_found_by_its_beginning_or_its_name_if_one_is_meant(
    prompt: Prompt,
) -> None:
    first, second = await prompt.session("Harbour Museum"), await prompt.session("Harbour Museum")
    third = await prompt.session("[red]Lighthouse[/red] \x1b[2J:books:")

    by_id = await prompt.json("sessions", "show", third)
    by_beginning = await prompt.json("sessions", "show", third[:-1])
    by_name = await prompt.json("sessions", "show", "[red]Lighthouse[/red] \x1b[2J:books:")
    two = await prompt.refused("sessions", "show", "Harbour Museum")
    none = await prompt.refused("sessions", "show", "Harbour")
    unknown = await prompt.refused("sessions", "show", str(uuid4()))
    listed = await prompt.said("sessions", "list", "-q", "lighthouse", "--stage", "upload")
    everything = await prompt.said("sessions", "list", "-q", "lighthouse")

    assert {by_id["id"], by_beginning["id"], by_name["id"]} == {third}
    assert first in two
    assert second in two
    assert "ticketgen sessions list" in none
    assert "error id" in unknown
    assert listed == ""
    assert "[red]Lighthouse[/red] \ufffd[2J:books:" in everything


async def test_a_session_is_described_anew_handed_over_and_lost(prompt: Prompt) -> None:
    session = await prompt.session("Harbour Museum")

    changed = await prompt.json(
        "sessions", "change", session, "--jira-project", "HM", "--description", "By the sea."
    )
    without = await prompt.json("sessions", "change", session, "--jira-project", "")
    nothing = await prompt.done("sessions", "change", session)
    unwritten = await prompt.refused("sessions", "change", session, "--writer", "nobody")
    given = await prompt.done("sessions", "hand-over", session, "otto")
    lost = await prompt.refused("sessions", "show", session)
    prompt.become(prompt.api.other_token)
    listed = await prompt.json("sessions", "recoverable")

    assert (changed["jira_project_key"], changed["description"]) == ("HM", "By the sea.")
    assert (without["jira_project_key"], without["description"]) == (None, "By the sea.")
    assert nothing.exit_code == 2
    assert "template" in unwritten
    assert "belongs to otto now" in given.stderr
    assert "error id" in lost
    assert [item["id"] for item in listed] == [session]


async def test_what_is_lost_is_shown_before_anybody_agrees_to_it(
    prompt: Prompt, specification: Path
) -> None:
    session = await prompt.reviewed(specification)

    refused = await prompt.done("sessions", "rollback", session, "upload", answer="n\n")
    silent = await prompt.done("sessions", "rollback", session, "upload")
    before = await prompt.json("sessions", "show", session)
    back = await prompt.json("sessions", "rollback", session, "upload", "--yes")
    kept = await prompt.done("sessions", "delete", session, answer="\n")
    gone = await prompt.done("sessions", "delete", session, answer="y\n")
    listed = await prompt.json("sessions", "list")

    assert refused.exit_code == 1
    assert "3 tickets" in refused.stdout
    assert "Go back from review to upload?" in refused.stderr
    assert silent.exit_code == 1
    assert "--yes" in silent.stderr
    assert before["stage"] == "review"
    assert back["session"]["stage"] == "upload"
    assert kept.exit_code == 1
    assert "with 2 files and 0 tickets" in gone.stderr
    assert gone.exit_code == 0
    assert listed == []


async def test_readiness_and_history_say_what_is_missing_and_what_was_done(
    prompt: Prompt, specification: Path, tmp_path: Path
) -> None:
    session = await prompt.reviewed(specification)

    unready = await prompt.said("sessions", "readiness", session, code=1)
    early = await prompt.refused("sessions", "export", session)
    await prompt.said("sessions", "validate", session)
    ready = await prompt.json("sessions", "readiness", session)
    exported = await prompt.json("sessions", "export", session, "--target", "file")
    archive = tmp_path / "new/files.zip"
    await prompt.said("sessions", "download", session, "--out", str(archive))
    foreign = await prompt.refused("sessions", "download", session, "--out", str(specification))
    history = await prompt.json("sessions", "history", session)
    told = await prompt.said("sessions", "history", session)

    assert "`ticketgen sessions validate SESSION`" in unready
    assert "error id" in early
    assert ready["ready"] is True
    assert exported["result_summary"]["tickets_exported"] == 3
    assert archive.read_bytes().startswith(b"PK")
    assert "not an export" in foreign
    assert {"session.created", "findings.accepted"} <= {entry["action"] for entry in history}
    assert "  mia  session.created" in told


async def test_what_is_at_work_is_left_alone_seen_and_ended(
    prompt: Prompt, specification: Path
) -> None:
    session = await prompt.session()
    await prompt.said("upload", "files", session, str(specification))

    nothing = await prompt.done("sessions", "cancel", session)
    run_id = (await prompt.said("sessions", "check", session, "--no-wait")).strip()
    status = json.loads(await prompt.said("sessions", "status", session, "--wait", "--json"))
    estimate = await prompt.json("sessions", "estimate", session)
    usage = await prompt.said("sessions", "usage", session)
    retried = await prompt.refused("sessions", "retry", session)

    assert "Nothing was at work." in nothing.stderr
    assert [(run["task_id"], run["status"]) for run in status] == [(run_id, "completed")]
    assert estimate["tickets"] == 3
    assert re.search(r"^cost +0", usage, re.MULTILINE)
    assert "completed" in retried
