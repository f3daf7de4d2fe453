"""A generation over tickets that are there: what stays, what goes, what it costs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest

from tests.plugins import journeys
from tests.plugins.processing.paid_writer import SCRIBE
from ticketgen.domain.generated_tickets import COMPONENT_GONE, EDIT_OUTDATED
from ticketgen.provides import WriterHealth
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, drain, start_session

pytestmark = pytest.mark.services


@pytest.fixture
def scribe(install_plugin: Callable[..., InstalledPlugin]) -> InstalledPlugin:
    """A stranger's writer, installed before the host of the test starts."""
    return install_plugin("scribe", SCRIBE)


@pytest.fixture
async def runtime(scribe: InstalledPlugin, settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings) as opened:
        yield opened


@pytest.fixture
def writer(scribe: InstalledPlugin, runtime: Runtime) -> ModuleType:
    """The writer's module: what it was asked, and what is to go wrong with it."""
    return sys.modules[scribe.module]


async def _upload(api: Api, session_id: str, **sheets: bytes) -> None:
    files = [("files", (f"{name}.csv", content)) for name, content in sheets.items()]
    answer = await api.client.post(f"/api/sessions/{session_id}/uploads", files=files)
    assert answer.status_code == 201, answer.text


async def _usage(api: Api, session_id: str) -> dict[str, Any]:
    usage: dict[str, Any] = (await api.client.get(f"/api/processing/usage/{session_id}")).json()
    return usage


async def test_edits_are_kept_or_dropped_as_whoever_starts_it_says(api: Api) -> None:
    session_id = await journeys.generated(api)
    topics, article, event = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, topics, title="Mine", assignee="kim")
    await journeys.edit(api, session_id, event, sprint="Sprint 1")

    asked = await journeys.start(api, "processing", session_id)
    kept = await journeys.do(api, "processing", session_id, edits="keep")
    after_keep = await journeys.tickets(api, session_id)
    dropped = await journeys.do(api, "processing", session_id, edits="drop")
    after_drop = await journeys.tickets(api, session_id)

    assert (asked.status_code, asked.json()["code"]) == (409, "processing.edited_tickets")
    assert "1 ticket was edited" in asked.json()["detail"], "an assignee is no edit of the words"
    assert (kept["edits_kept"], kept["edits_outdated"], dropped["edits_kept"]) == (1, 0, 0)
    assert after_keep[0]["title"] == "Mine"
    assert after_drop[0]["title"] == topics["title"]
    for after in (after_keep, after_drop):
        assert [one["id"] for one in after] == [topics["id"], article["id"], event["id"]]
        assert (after[0]["assignee"], after[2]["sprint"]) == ("kim", "Sprint 1")


async def test_a_kept_edit_says_when_the_sheets_have_changed_under_it(api: Api) -> None:
    session_id = await journeys.generated(api)
    topics, article, event = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, article, description="My own words.")
    await journeys.edit(api, session_id, event, title="Mine as well")
    bundles = b"Name,Machine name,Type,Description\nArticle,article,Content type,News.\n"
    await _upload(
        api,
        session_id,
        Bundles=bundles + b"Topics,topics,Vocabulary,\n",
        Fields=journeys.SHEETS["Fields.csv"].splitlines(keepends=True)[0]
        + journeys.SHEETS["Fields.csv"].splitlines(keepends=True)[1],
    )

    summary = await journeys.do(api, "processing", session_id, edits="keep")
    again = await journeys.do(api, "processing", session_id, edits="keep")

    after = {one["id"]: one for one in await journeys.tickets(api, session_id)}
    assert (summary["edits_kept"], summary["edits_outdated"]) == (2, 2)
    assert again["edits_outdated"] == 2, "nobody has looked since"
    assert after[article["id"]]["description"] == "My own words."
    assert after[article["id"]]["notes"] == [EDIT_OUTDATED]
    assert after[event["id"]]["notes"][-1] == COMPONENT_GONE
    assert after[topics["id"]]["notes"] == []

    dropped = await journeys.do(api, "processing", session_id, edits="drop")

    left = await journeys.tickets(api, session_id)
    assert dropped["tickets_deleted"] == 1
    assert {one["id"] for one in left} == {topics["id"], article["id"]}
    assert "News." in left[1]["description"]


async def test_a_mended_sheet_pays_for_what_has_changed_only(api: Api, writer: ModuleType) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    first = await journeys.do(api, "processing", session_id)
    await _upload(
        api,
        session_id,
        Bundles=journeys.SHEETS["Bundles.csv"].replace(b"Event,event", b"\nHappening,event"),
        Fields=journeys.SHEETS["Fields.csv"].replace(b"Event (Con", b"Happening (Con"),
    )

    second = await journeys.do(api, "processing", session_id)

    usage = await _usage(api, session_id)
    stories = [ticket["description"] for ticket in await journeys.tickets(api, session_id)]
    assert (first["texts_written"], first["texts_reused"], first["cost"]) == (3, 0, "1.5")
    assert (second["texts_written"], second["texts_reused"]) == (2, 1)
    assert writer.CALLS[3:] == ["bundles:content-type:article", "bundles:content-type:event"]
    assert "Story 1." in stories[0]
    assert usage["cost"] == "2.500000"
    assert [(one["model"], one["texts"], one["input_tokens"]) for one in usage["models"]] == [
        ("m", 5, 50)
    ]


async def test_a_budget_stops_before_the_next_text_and_what_is_there_is_kept(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    await journeys.start(api, "processing", session_id, budget="1.0")
    await drain(api.runtime)
    stopped = await journeys.latest_run(api, "processing", session_id)

    summary = await journeys.do(api, "processing", session_id, budget="0.5")

    assert stopped["error"]["code"] == "processing.budget_spent"
    assert stopped["error"]["error_category"] == "user_fixable"
    assert "2 of 3" in stopped["error"]["user_message"]
    assert (summary["texts_reused"], summary["texts_written"]) == (2, 1)
    assert (await _usage(api, session_id))["cost"] == "1.500000"


async def test_an_estimate_counts_what_is_there_already_and_needs_a_check(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    address = f"/api/processing/estimate/{session_id}"
    unchecked = await api.client.get(address)
    await journeys.do(api, "processing.check", session_id)
    before = (await api.client.get(address)).json()
    by_template = (await api.client.get(address, params={"writer": "template"})).json()
    await journeys.do(api, "processing", session_id)
    await journeys.do(api, "processing.check", session_id)

    after = (await api.client.get(address)).json()
    unknown = await api.client.get(address, params={"writer": "nobody"})

    assert unchecked.status_code == 404
    assert (before["texts_to_write"], before["cost"], before["duration_seconds"]) == (
        3,
        "1.500000",
        3.0,
    )
    assert (before["within_budget"], before["spent"]) == (True, "0")
    assert (by_template["cost"], by_template["texts_to_write"]) == ("0.000000", 3)
    assert (after["texts_known"], after["texts_to_write"], after["cost"]) == (3, 0, "0.000000")
    assert after["spent"] == "1.500000"
    assert unknown.status_code == 404


async def test_a_writer_that_cannot_write_refuses_the_start_and_is_asked_once(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    writer.HEALTH[0] = WriterHealth(
        ready=False, message="No key.", recovery_actions=("Set the key.",), for_admin=True
    )

    refused = await journeys.start(api, "processing", session_id)
    writer.HEALTH[0] = WriterHealth(ready=True, message="Here.")
    again = await api.client.post(f"/api/processing/generate-tickets/{session_id}")
    health = (await api.client.get("/api/processing/writers/scribe/health")).json()

    assert (refused.status_code, refused.json()["code"]) == (503, "processing.writer_not_set_up")
    assert refused.json()["category"] == "admin_required"
    assert refused.json()["recovery_actions"][0] == "Set the key."
    assert again.status_code == 503, "the answer is still good"
    assert not health["ready"]
    assert len(writer.CHECKS) == 1
    assert await journeys.stage(api, session_id) == "upload"


async def test_one_ticket_is_written_anew_and_its_edits_go_or_stay(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    await journeys.do(api, "processing", session_id)
    _, article, _ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, article, title="Mine")
    asked = {"ticket_id": article["id"], "revision": 2}

    stale = await journeys.start(
        api, "processing.regenerate", session_id, **{**asked, "revision": 1}, edits="drop"
    )
    kept = await journeys.do(api, "processing.regenerate", session_id, **asked, edits="keep")
    after_keep = (await journeys.tickets(api, session_id))[1]
    dropped = await journeys.do(api, "processing.regenerate", session_id, **asked, edits="drop")
    after_drop = (await journeys.tickets(api, session_id))[1]

    assert (stale.status_code, stale.json()["code"]) == (409, "processing.stale_ticket")
    assert (kept["edits_kept"], kept["cost"]) == (True, "0.5")
    assert (after_keep["title"], after_keep["revision"]) == ("Mine", 2)
    assert (dropped["edits_kept"], dropped["revision"]) == (False, 3)
    assert after_drop["title"] == article["title"]
    assert "Story 5." in after_drop["description"]
    assert after_drop["depends_on"] == article["depends_on"]
    assert after_drop["position"] == article["position"]
    assert len(writer.CALLS) == 5


async def test_what_is_there_to_read_and_to_write_with_is_listed(api: Api) -> None:
    writers = (await api.client.get("/api/processing/writers")).json()
    types = (await api.client.get("/api/processing/types")).json()

    assert {"template", "scribe"} <= {one["name"] for one in writers}
    assert [one["paid"] for one in writers if one["name"] in {"template", "scribe"}] == [
        False,
        True,
    ]
    assert len(types) == 14
    [bundles] = [one for one in types if one["name"] == "bundles"]
    assert {"name": "Type", "aliases": ["Bundle type", "Entity type"], "required": True} in bundles[
        "columns"
    ]


async def test_texts_that_are_being_written_when_another_fails_are_kept(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    writer.CONCURRENCY[0] = 2
    failed = asyncio.Event()

    async def fails() -> None:
        failed.set()
        raise ZeroDivisionError

    async def outlives_the_failure() -> None:
        await failed.wait()
        await asyncio.sleep(0.05)

    writer.PROBLEMS.update({1: outlives_the_failure, 2: fails})
    await journeys.start(api, "processing", session_id)
    await drain(api.runtime)

    summary = await journeys.do(api, "processing", session_id)

    assert (summary["texts_reused"], summary["texts_written"]) == (1, 2)
    assert len(writer.CALLS) == 4, "no third text was begun after the failure"
