"""`ticketgen sessions export --target jira`: from a prompt to issues, and what is in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.core.cli.prompting import Prompt, prompting
from tests.plugins import journeys
from tests.plugins.export.jira.place import BULK, CREATE, PROJECT, Place, connect
from ticketgen.testing import LiveApi

pytestmark = pytest.mark.services

_NOBODYS = "0198c0de-0000-7000-8000-000000000001"


@pytest.fixture
async def session(live_api: LiveApi, place: Place) -> str:
    """A validated session of three tickets, the first for nobody that Jira knows."""
    session_id = await journeys.generated(live_api.api, jira_project_key=PROJECT)
    [first, *_] = await journeys.tickets(live_api.api, session_id)
    await journeys.edit(
        live_api.api, session_id, first, assignee="nobody@example.org", sprint="Sprint 8"
    )
    # Before there is a worker, which would take these runs away.
    assert (await journeys.do(live_api.api, "adf_validation", session_id))["passed"]
    return session_id


@pytest.fixture
async def prompt(
    session: str, live_api: LiveApi, clean_environment: pytest.MonkeyPatch
) -> AsyncIterator[Prompt]:
    async with prompting(live_api, clean_environment) as opened:
        yield opened


def _given(*options: str) -> list[str]:
    return ["--target", "jira", *(word for one in options for word in ("--option", one))]


async def test_an_export_to_jira_is_started_with_its_options_as_words(
    prompt: Prompt, place: Place, session: str
) -> None:
    connection = await connect(prompt.api, place)
    options = ["issue_type=Story", "bulk=1", "links=no", "pace=0.1", "priority=High"]

    said = await prompt.said(
        "sessions", "export", session, *_given(*options, f"connection={connection}")
    )

    issues = place.stub.issues
    assert "target            jira\ntickets exported  3\n" in said
    assert len(issues) == 3
    assert {issue.fields["issuetype"]["name"] for issue in issues} == {"Story"}
    assert {issue.fields["priority"]["name"] for issue in issues} == {"High"}
    assert place.stub.links == []
    assert (place.stub.requests[CREATE], place.stub.requests[BULK]) == (3, 0)


async def test_what_is_to_be_mended_by_hand_is_said_line_by_line(
    prompt: Prompt, place: Place, session: str
) -> None:
    await connect(prompt.api, place)

    said = await prompt.said("sessions", "export", session, *_given())

    _, _, fixes = said.partition("to be mended by hand\n")
    assert fixes.splitlines() == [
        "  HM-1: Assignee: nobody who can be assigned is known as 'nobody@example.org'.",
        "  HM-1: Sprint: the project has no active or future sprint 'Sprint 8'.",
    ]
    assert len(place.stub.links) == 2


async def test_results_are_shown_with_key_address_and_what_to_mend(
    prompt: Prompt, place: Place, session: str
) -> None:
    await connect(prompt.api, place)
    await prompt.said("sessions", "export", session, *_given())

    said = await prompt.said("sessions", "results", session)
    to_mend = await prompt.said("sessions", "results", session, "--to-mend")
    sheet = await prompt.said("sessions", "results", session, "--csv")
    page = await prompt.said("sessions", "results", session, "--page")

    assert [line.split()[0] for line in said.splitlines() if line.startswith("HM-")] == [
        "HM-1",
        "HM-2",
        "HM-3",
    ]
    assert f"{place.url}/browse/HM-2" in said
    assert "HM-1: Assignee: nobody who can be assigned" in to_mend
    assert "HM-2" not in to_mend
    assert sheet.lstrip("\ufeff").startswith("position,reference,title")
    assert page.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "message", "advice"),
    [
        (["--target", "jirra"], "No installed plugin provides the target 'jirra'.", "file, jira"),
        (
            _given("bulk=many", "issuetype=Bug"),
            "The options for Jira are wrong: bulk: Input should be a valid integer, unable to "
            "parse string as an integer; issuetype: Extra inputs are not permitted",
            "Give only these: connection, issue_type,",
        ),
        (
            _given("issue_type=Storey"),
            "There is no issue type 'Storey' in the project HM.",
            "Choose one of: Bug, Epic, Story, Task.",
        ),
        (
            _given(f"connection={_NOBODYS}"),
            f"There is no connection {_NOBODYS}.",
            "`ticketgen export connections`",
        ),
        (
            ["--option", "bulk=1"],
            "The target `file` takes no options, and was given bulk.",
            "choose another target",
        ),
    ],
    ids=["target", "options", "issue type", "connection", "file"],
)
async def test_what_an_export_cannot_be_started_with_is_said_with_what_there_is(
    arguments: list[str], message: str, advice: str, prompt: Prompt, place: Place, session: str
) -> None:
    await connect(prompt.api, place)

    said = await prompt.refused("sessions", "export", session, *arguments)

    error, action, *_ = said.splitlines()
    assert error == f"Error: {message}"
    assert action.startswith("  → ")
    assert advice in action
    assert place.stub.issues == []


async def test_whoever_is_not_connected_or_has_no_project_is_told_the_commands(
    prompt: Prompt, place: Place, session: str
) -> None:
    alone = await prompt.refused("sessions", "export", session, *_given())
    await connect(prompt.api, place)
    await prompt.said("sessions", "change", session, "--jira-project", "")
    homeless = await prompt.refused("sessions", "export", session, *_given())

    assert "You are not connected to a Jira site." in alone
    assert "  → Connect with `ticketgen export connect --site URL --email ADDRESS`.\n" in alone
    assert "The session has no Jira project key." in homeless
    assert "`ticketgen sessions change SESSION`" in homeless


@pytest.mark.parametrize(
    ("options", "said"),
    [(["bulk"], "'bulk' is no NAME=VALUE."), (["bulk=1", "bulk=2"], "bulk is there twice.")],
)
async def test_an_option_is_a_name_with_one_value(
    options: list[str], said: str, prompt: Prompt, session: str
) -> None:
    done = await prompt.done("sessions", "export", session, *_given(*options))

    assert done.exit_code == 2
    assert said in done.stderr
