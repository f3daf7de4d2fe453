from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.core.cli.prompting import Prompt

pytestmark = pytest.mark.services


async def test_findings_are_listed_filtered_accepted_and_open_again(
    prompt: Prompt, specification: Path, tmp_path: Path
) -> None:
    session = await prompt.session()
    await prompt.said("upload", "files", session, str(specification))

    unchecked = await prompt.refused("findings", "show", session)
    await prompt.said("sessions", "check", session, code=1)
    report = await prompt.json("findings", "show", session)
    [group] = [group["id"] for group in report["groups"] if group["open_errors"]]
    shown = await prompt.said("findings", "list", session, "--severity", "error")
    none = await prompt.json("findings", "list", session, "--file", "Bundles.csv", "-q", "Topixx")
    file = tmp_path / "findings.csv"
    await prompt.said("findings", "csv", session, "--out", str(file))
    neither = await prompt.done("findings", "accept", session)
    unknown = await prompt.refused("findings", "accept", session, "no-such-group")
    accepted = await prompt.json("findings", "accept", session, group, "--reason", "In phase 2.")
    told = await prompt.said("findings", "show", session)
    again = await prompt.refused("findings", "accept", session, "--all")
    passed = await prompt.said("sessions", "check", session)
    withdrawn = await prompt.json("findings", "withdraw", session, group)

    assert "`ticketgen sessions check SESSION`" in unchecked
    assert "Fields.csv, row 4, column “Ref. bundle”: " in shown
    assert none == []
    with file.open(encoding="utf-8-sig", newline="") as lines:
        assert [row["value"] for row in csv.DictReader(lines)] == ["Topixx (Vocabulary)"]
    assert neither.exit_code == 2
    assert "no-such-group" in unknown
    assert (accepted["open_errors"], accepted["accepted_errors"]) == (0, 1)
    assert "accepted by mia" in told
    assert "In phase 2." in told
    assert "No error is open" in again
    assert "accepted errors" in passed
    assert withdrawn["open_errors"] == 1
