from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.plugins import journeys
from tests.plugins.processing.markdown_tables import shown_rows
from tests.plugins.processing.sheets import specification
from tests.plugins.processing.test_real_specification import independent_rows
from ticketgen.domain.tickets import Ticket
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services

both = pytest.mark.parametrize("name", ["sample", "real"])


@both
async def test_every_cell_of_every_stored_and_served_ticket_is_that_of_its_row(
    name: str, api: Api
) -> None:
    files = specification(name)
    expected = independent_rows(files)
    session_id = await start_session(api, files)
    await journeys.accept_errors(api, session_id)

    summary = await journeys.do(api, "processing", session_id)

    served = await journeys.tickets(api, session_id)
    async with api.runtime.session_factory() as db:
        stored = {str(row.id): row.description for row in await db.scalars(select(Ticket))}
    assert summary["tickets_generated"] == len(served) == len(stored)
    left = dict(expected)
    for ticket in served:
        assert ticket["description"] == stored[ticket["id"]]
        wanted = []
        for source in ticket["sources"]:
            wanted += [left.pop((source["file"], row)) for row in source["rows"]]
        assert _cells(ticket["description"]) == sorted(
            text for row in wanted for text in row.values() if text.strip()
        )
    assert left == {}, "rows that are on no ticket"
    assert summary["files"] == {
        file: sum(1 for place in expected if place[0] == file) for file in summary["files"]
    }


def _cells(description: str) -> list[str]:
    """The filled values of all tables, without the headers."""
    rows = [row for rows in shown_rows(description).values() for row in rows]
    return sorted(text for row in rows for text in row.values() if text.strip())


async def test_the_own_route_starts_the_same_task_as_the_one_of_the_core(api: Api) -> None:
    session_id = await start_session(api, journeys.SHEETS)

    first = await api.client.post(f"/api/processing/generate-tickets/{session_id}")
    second = await journeys.start(api, "processing", session_id)

    assert (first.status_code, first.json()["existing"]) == (202, False)
    assert (second.status_code, second.json()["existing"]) == (202, True)
    assert second.json()["task_id"] == first.json()["task_id"]


async def test_a_session_without_files_cannot_be_generated(api: Api) -> None:
    session_id = await start_session(api)

    answer = await journeys.start(api, "processing", session_id)

    assert (answer.status_code, answer.json()["code"]) == (422, "processing.no_uploads")
    assert "/uploads" in answer.json()["recovery_actions"][0]
    assert await journeys.stage(api, session_id) == "site_info_collection"


async def test_tickets_come_in_order_of_work_with_their_dependencies(api: Api) -> None:
    session_id = await journeys.generated(api)

    topics, article, event = await journeys.tickets(api, session_id)

    assert [ticket["position"] for ticket in (topics, article, event)] == [1, 2, 3]
    assert "Topics" in topics["title"]
    assert [one["id"] for one in article["depends_on"]] == [topics["id"]]
    assert [one["id"] for one in event["depends_on"]] == [article["id"]]
