from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.cli.prompting import Prompt

pytestmark = pytest.mark.services


async def test_a_ticket_is_found_read_edited_compared_and_as_it_was_again(
    prompt: Prompt, specification: Path, tmp_path: Path
) -> None:
    session = await prompt.reviewed(specification)
    text = tmp_path / "text.md"
    text.write_text("Shorter.\n\n- by *hand*\n", encoding="utf-8")

    event = await prompt.json("tickets", "show", session, "3")
    by_key = await prompt.json("tickets", "show", session, event["key"])
    by_beginning = await prompt.json("tickets", "show", session, event["id"][:-1])
    edited = await prompt.json(
        "tickets", "edit", session, "3", "--title", "[b]Event[/b] \x1b[31m", "--assignee", "mia",
        "--description-file", str(text),
    )  # fmt: skip
    overtaken = await prompt.refused(
        "tickets", "edit", session, "3", "--title", "Mine", "--revision", str(event["revision"])
    )
    listed = await prompt.said("tickets", "list", session, "--edited", "--assignee", "mia")
    shown = await prompt.said("tickets", "show", session, "3")
    diff = await prompt.said("tickets", "diff", session, "3")
    unassigned = await prompt.json("tickets", "edit", session, "3", "--assignee", "")
    await prompt.said("tickets", "revert", session, "3")
    reverted = await prompt.json("tickets", "show", session, "3")
    history = await prompt.said("tickets", "history", session, "3")
    nothing = await prompt.done("tickets", "edit", session, "3")
    unknown = await prompt.refused("tickets", "show", session, "4")

    assert event["id"] == by_key["id"] == by_beginning["id"]
    assert edited["description"] == text.read_text(encoding="utf-8")
    assert 'title now: "[b]Event[/b] \\u001b[31m"' in overtaken
    assert 'title wanted: "Mine"' in overtaken
    assert "changed by mia: ticket.edited" in overtaken
    assert "[b]Event[/b] \ufffd[31m [edited, notes] @mia" in listed
    assert len(listed.splitlines()) == 1
    assert "- by *hand*" in shown
    assert "+- by *hand*" in diff
    assert unassigned["assignee"] is None
    assert (reverted["title"], reverted["description"]) == (event["title"], event["description"])
    assert "mia  ticket.reverted" in history
    assert nothing.exit_code == 2
    assert "no ticket '4'" in unknown


async def test_tickets_are_given_away_moved_and_tied_to_each_other(
    prompt: Prompt, specification: Path
) -> None:
    session = await prompt.reviewed(specification)

    by_filter = await prompt.json(
        "tickets", "assign", session, "--group", "Content types", "--sprint", "Sprint 4"
    )
    by_name = await prompt.json("tickets", "assign", session, "1", "3", "--assignee", "otto")
    taken = await prompt.json(
        "tickets", "assign", session, "--of-assignee", "otto", "--assignee", ""
    )
    both = await prompt.done("tickets", "assign", session, "1", "--all", "--assignee", "otto")
    in_sprint = await prompt.json("tickets", "list", session, "--sprint", "Sprint 4")
    circle = await prompt.refused("tickets", "depend", session, "1", "3")
    early = await prompt.refused("tickets", "move", session, "3", "--before", "1")
    await prompt.said("tickets", "undepend", session, "3", "2")
    moved = await prompt.json("tickets", "move", session, "3", "--before", "1")
    tied = await prompt.done("tickets", "depend", session, "1", "2")
    neither = await prompt.done("tickets", "move", session, "3")

    assert by_filter == {"matched": 2, "changed": 2}
    assert by_name == {"matched": 2, "changed": 2}
    assert taken == {"matched": 2, "changed": 2}
    assert both.exit_code == 2
    assert (in_sprint["total"], len(in_sprint["tickets"])) == (2, 2)
    assert "Topics" in circle
    assert "error id" in early
    assert moved["position"] == 1
    assert "Moved: " in tied.stderr
    assert neither.exit_code == 2


async def test_a_ticket_is_written_anew_and_a_generation_asks_what_becomes_of_edits(
    prompt: Prompt, specification: Path
) -> None:
    session = await prompt.reviewed(specification)
    before = await prompt.json("tickets", "edit", session, "1", "--title", "Mine")

    kept = await prompt.json("tickets", "regenerate", session, "1", "--edits", "keep")
    titled = await prompt.json("tickets", "show", session, "1")
    asked = await prompt.refused("sessions", "generate", session)
    run = await prompt.json("sessions", "generate", session, "--edits", "drop", "--budget", "2.50")
    after = await prompt.json("tickets", "show", session, "1")

    assert kept["result_summary"]["edits_kept"] is True
    assert titled["title"] == "Mine"
    assert "keep" in asked
    assert run["result_summary"]["tickets_generated"] == 3
    assert after["title"] != "Mine"
    assert after["id"] == before["id"]
