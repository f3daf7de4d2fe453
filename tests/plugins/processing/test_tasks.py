from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tests.plugins import journeys
from tests.plugins.processing.paid_writer import SCRIBE
from ticketgen.domain.uploads import Upload
from ticketgen.errors import TemporaryError
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, drain, run_to_end, start_session

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


async def _fails() -> None:
    raise TemporaryError("The model is overloaded.")


async def test_a_writer_that_fails_for_a_moment_is_asked_only_for_the_rest(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    writer.PROBLEMS[2] = _fails
    await journeys.start(api, "processing", session_id)

    [stopped] = await drain(api.runtime)
    stage_between = await journeys.stage(api, session_id)
    await asyncio.sleep(0.01)
    [done] = await drain(api.runtime)

    assert (stopped.status, stage_between) == ("processing", "processing")
    assert (done.status, done.attempt, done.tries) == ("completed", 2, 2)
    topics, article, event = (key.split(":")[-1] for key in dict.fromkeys(writer.CALLS))
    assert (topics, article, event) == ("topics", "article", "event")
    assert len(writer.CALLS) == 4, "the second ticket twice, the others once"
    stories = [ticket["description"] for ticket in await journeys.tickets(api, session_id)]
    assert ["Story 1." in stories[0], "Story 3." in stories[1], "Story 4." in stories[2]] == [
        True
    ] * 3


async def test_a_worker_that_is_stopped_half_way_leaves_no_half_set_of_tickets(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    reached = asyncio.Event()

    async def hangs() -> None:
        reached.set()
        await asyncio.Event().wait()

    writer.PROBLEMS[3] = hangs
    started = await journeys.start(api, "processing", session_id)
    working = asyncio.create_task(run_to_end(api.runtime, UUID(started.json()["task_id"])))
    await reached.wait()

    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    between = await journeys.tickets(api, session_id)
    [done] = await drain(api.runtime)

    assert between == []
    assert (done.status, done.attempt, done.tries) == ("completed", 2, 1)
    assert len(writer.CALLS) == 4
    assert len(await journeys.tickets(api, session_id)) == 3


async def test_texts_that_were_paid_for_outlive_a_cancelled_generation(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    reached = asyncio.Event()

    async def hangs() -> None:
        reached.set()
        await asyncio.Event().wait()

    writer.PROBLEMS[3] = hangs
    run_id = UUID((await journeys.start(api, "processing", session_id)).json()["task_id"])
    working = asyncio.create_task(run_to_end(api.runtime, run_id))
    await asyncio.wait_for(reached.wait(), 20)

    async with api.runtime.unit_of_work() as work:
        await work.cancel(run_id)
    cancelled = await asyncio.wait_for(working, 20)
    tickets_between = await journeys.tickets(api, session_id)
    async with api.runtime.unit_of_work() as work:
        await work.retry(run_id)
    [done] = await drain(api.runtime)

    assert cancelled.status == "cancelled"
    assert tickets_between == []
    assert done.status == "completed"
    assert len(writer.CALLS) == 2 + 1 + 1, "two were kept, the third was asked for twice"


async def test_a_sheet_that_was_mended_between_two_tries_is_written_from_what_it_says_now(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    writer.PROBLEMS[3] = _fails
    await journeys.start(api, "processing", session_id)
    await drain(api.runtime)
    async with api.runtime.session_factory() as db:
        content = journeys.SHEETS["Bundles.csv"].replace(b"Topics,topics", b"Subjects,topics")
        await db.execute(
            update(Upload).where(Upload.file_name == "Bundles.csv").values(content=content)
        )
        await db.commit()
    before = len(writer.FACTS)
    await asyncio.sleep(0.01)

    await drain(api.runtime)

    assert "Subjects" in [fact[0] for fact in writer.FACTS[before:]]


async def test_the_writer_gets_the_site_as_it_was_described(api: Api, writer: ModuleType) -> None:
    session_id = await start_session(
        api, journeys.SHEETS, writer="scribe", description="A maritime museum."
    )

    await journeys.do(api, "processing", session_id)

    assert {fact[1:] for fact in writer.FACTS} == {("Harbour Museum", "A maritime museum.")}


async def test_a_failed_generation_takes_the_session_back_and_keeps_the_old_tickets(
    api: Api, writer: ModuleType
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    await journeys.do(api, "processing", session_id)
    before = await journeys.tickets(api, session_id)

    async def breaks() -> None:
        raise ZeroDivisionError

    writer.PROBLEMS[len(writer.CALLS) + 1] = breaks
    writer.VERSION[0] = "2"
    await journeys.start(api, "processing", session_id)
    await drain(api.runtime)

    run = await journeys.latest_run(api, "processing", session_id)
    assert (run["status"], run["error"]["error_category"]) == ("failed", "admin_required")
    assert await journeys.stage(api, session_id) == "upload"
    assert await journeys.tickets(api, session_id) == before


async def test_sheets_with_a_header_only_end_in_a_failure_a_person_can_act_on(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": b"Name,Machine name,Type\n"})
    await journeys.start(api, "processing", session_id)

    await drain(api.runtime)

    run = await journeys.latest_run(api, "processing", session_id)
    [failure] = (await api.client.get(f"/api/sessions/{session_id}/errors")).json()
    assert run["status"] == "failed"
    assert failure["code"] == "processing.no_tickets"
    assert failure["error_category"] == "user_fixable"
    assert failure["recovery_actions"]
    assert await journeys.stage(api, session_id) == "upload"


async def test_a_writer_that_was_uninstalled_is_said_at_the_start(
    api: Api, settings: Settings
) -> None:
    session_id = await start_session(api, journeys.SHEETS, writer="scribe")
    without = settings.model_copy(update={"blocked_plugins": ("scribe",)})

    async with open_runtime(without) as host:
        with pytest.raises(Exception, match="'scribe' is not installed") as refused:
            await _start(host, UUID(session_id))

    error: Any = refused.value
    assert error.code == "processing.unknown_writer"
    assert "template" in error.recovery_actions[0]


async def _start(host: Runtime, session_id: UUID) -> None:
    async with host.unit_of_work() as work:
        await work.start("processing", session_id=session_id)


@pytest.mark.parametrize("length", [301, 5_000])
async def test_names_of_any_length_reach_their_tickets(api: Api, length: int) -> None:
    names = ["a" * length + ending for ending in ("one", "two")]
    rows = "".join(f"{name},{name},{name}\n" for name in names)
    session_id = await start_session(
        api, {"Bundles.csv": f"Name,Machine name,Type\n{rows}".encode()}, writer="scribe"
    )

    await journeys.do(api, "processing", session_id)

    tickets = await journeys.tickets(api, session_id)
    stories = {line for ticket in tickets for line in ticket["description"].splitlines()}
    assert {"Story 1.", "Story 2."} <= stories
    assert len({ticket["key"] for ticket in tickets}) == 2
    assert all(len(ticket["entity_group"]) <= 100 for ticket in tickets)
