from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.plugins import journeys
from tests.plugins.processing.markdown_tables import tables
from tests.plugins.processing.sheets import specification
from tests.plugins.processing.test_real_specification import independent_rows
from ticketgen.domain.tickets import Ticket
from ticketgen.sample import sample_files
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
    found = []
    for heading, lines in tables(description).items():
        values = [line[1:] if heading == "Configuration" else line for line in lines[1:]]
        found += [text for line in values for text in line if text.strip()]
    return sorted(found)


async def test_the_own_route_starts_the_same_task_as_the_one_of_the_core(api: Api) -> None:
    session_id = await start_session(api, journeys.SHEETS)

    first = await api.client.post(f"/api/processing/generate-tickets/{session_id}")
    second = await journeys.start(api, "processing", session_id)

    assert (first.status_code, first.json()["existing"]) == (202, False)
    assert (second.status_code, second.json()["existing"]) == (202, True)
    assert second.json()["task_id"] == first.json()["task_id"]


async def test_the_findings_name_file_row_column_value_and_remedy(api: Api) -> None:
    session_id = await journeys.generated(api, sample_files())

    report = (await api.client.get(f"/api/processing/findings/{session_id}")).json()

    assert report["errors"] + report["warnings"] == len(report["findings"]) == 2
    formula = next(item for item in report["findings"] if item["value"] == "#N/A")
    cells = independent_rows(sample_files())[formula["file"], formula["row"]]
    assert cells[formula["column"]] == "#N/A"
    assert formula["severity"] == "error"
    assert formula["remedy"]


async def test_there_are_no_findings_before_the_first_generation(api: Api) -> None:
    session_id = await start_session(api, journeys.SHEETS)

    answer = await api.client.get(f"/api/processing/findings/{session_id}")

    assert answer.status_code == 404
    assert "generate-tickets" in answer.json()["recovery_actions"][0]


async def test_the_findings_of_the_last_generation_stay_while_the_next_one_waits(
    api: Api,
) -> None:
    session_id = await journeys.generated(api, sample_files())
    await journeys.start(api, "processing", session_id)

    answer = await api.client.get(f"/api/processing/findings/{session_id}")

    assert answer.status_code == 200
    assert len(answer.json()["findings"]) == 2


async def test_findings_of_a_colleagues_session_are_refused(api: Api) -> None:
    session_id = await journeys.generated(api)

    answer = await api.client.get(f"/api/processing/findings/{session_id}", headers=api.as_other)

    assert answer.status_code == 403


async def test_a_session_without_files_cannot_be_generated(api: Api) -> None:
    session_id = await start_session(api)

    answer = await journeys.start(api, "processing", session_id)

    assert (answer.status_code, answer.json()["code"]) == (422, "processing.no_uploads")
    assert "/uploads" in answer.json()["recovery_actions"][0]
    assert await journeys.stage(api, session_id) == "site_info_collection"


async def test_edited_tickets_are_replaced_only_if_that_is_asked_for(api: Api) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, title="Mine")

    refused = await journeys.start(api, "processing", session_id)
    kept = [ticket["title"] for ticket in await journeys.tickets(api, session_id)]
    await journeys.do(api, "processing", session_id, replace_edited=True)

    replaced = [ticket["title"] for ticket in await journeys.tickets(api, session_id)]
    assert (refused.status_code, refused.json()["code"]) == (409, "processing.edited_tickets")
    assert "replace_edited" in refused.json()["recovery_actions"][0]
    assert kept[0] == "Mine"
    assert "Mine" not in replaced
    assert len(replaced) == len(kept) == 3


async def test_tickets_come_in_order_of_work_with_their_dependencies(api: Api) -> None:
    session_id = await journeys.generated(api)

    topics, article, event = await journeys.tickets(api, session_id)

    assert [ticket["position"] for ticket in (topics, article, event)] == [1, 2, 3]
    assert "Topics" in topics["title"]
    assert article["depends_on"] == [topics["id"]]
    assert event["depends_on"] == [article["id"]]
