from __future__ import annotations

import csv
import io
import json
from pathlib import PurePosixPath
from uuid import UUID

import pytest

from tests.plugins import journeys
from ticketgen.runtime import open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, drain
from ticketgen_export.errors import ExportBlockedError

pytestmark = pytest.mark.services


async def test_an_export_without_a_validation_is_refused_and_says_what_to_do(api: Api) -> None:
    session_id = await journeys.generated(api)

    answer = await journeys.start(api, "export", session_id)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "export.blocked")
    assert "not been validated" in problem["detail"]
    assert "adf_validation/start" in problem["recovery_actions"][0]
    assert await journeys.stage(api, session_id) == "review"


async def test_an_export_after_an_edit_is_refused_until_the_next_validation(api: Api) -> None:
    session_id = await journeys.validated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, title="Edited")

    refused = await journeys.start(api, "export", session_id)
    await journeys.do(api, "adf_validation", session_id)
    summary = await journeys.do(api, "export", session_id)

    assert (refused.status_code, refused.json()["code"]) == (409, "export.blocked")
    assert "changed after" in refused.json()["detail"]
    assert summary["tickets_exported"] == 3


async def test_an_export_after_a_failed_validation_is_refused(api: Api) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, description="😀" * 20_000)
    await journeys.do(api, "adf_validation", session_id)

    answer = await journeys.start(api, "export", session_id)

    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("1 tickets did not pass")
    assert "adf_validation/results" in answer.json()["recovery_actions"][0]


async def test_without_the_validation_plugin_an_export_still_needs_a_verdict(
    api: Api, settings: Settings
) -> None:
    session_id = await journeys.generated(api)
    without = settings.model_copy(update={"blocked_plugins": ("adf_validation",)})

    async with open_runtime(without) as host:
        with pytest.raises(ExportBlockedError, match="no valid verdict") as refused:
            async with host.unit_of_work() as work:
                await work.start("export", session_id=UUID(session_id))

    assert "adf_validation" in refused.value.recovery_actions[0]


async def test_an_unknown_target_is_refused_with_those_there_are(api: Api) -> None:
    session_id = await journeys.validated(api)

    answer = await journeys.start(api, "export", session_id, target="nowhere")

    listed = (await api.client.get("/api/export/targets")).json()
    assert (answer.status_code, answer.json()["code"]) == (422, "export.unknown_target")
    assert answer.json()["recovery_actions"] == ["Choose one of: file, jira."]
    assert [target["name"] for target in listed] == ["file", "jira"]


async def test_the_own_route_starts_the_same_task_as_the_one_of_the_core(api: Api) -> None:
    session_id = await journeys.validated(api)

    first = await api.client.post(f"/api/export/session/{session_id}")
    second = await journeys.start(api, "export", session_id)

    assert (first.status_code, first.json()["existing"]) == (202, False)
    assert second.json() == first.json() | {"existing": True}


async def test_the_files_of_an_export_hold_every_ticket_in_order_of_work(api: Api) -> None:
    session_id = await journeys.validated(api)
    tickets = await journeys.tickets(api, session_id)

    summary = await journeys.do(api, "export", session_id)

    files = await journeys.exported(api, session_id)
    listed = (await api.client.get(f"/api/export/files/{session_id}")).json()
    lines = [json.loads(line) for line in files["tickets.jsonl"].splitlines()]
    rows = list(csv.DictReader(io.StringIO(files["jira-import.csv"].decode("utf-8-sig"))))
    assert [line["id"] for line in lines] == [ticket["id"] for ticket in tickets]
    assert [row["Summary"] for row in rows] == [ticket["title"] for ticket in tickets]
    assert all(line["reference"] in files for line in lines)
    assert json.loads(files[lines[0]["reference"]])["type"] == "doc"
    done: set[str] = set()
    for line in lines:
        assert done.issuperset(line["depends_on"]), line["title"]
        done.add(line["reference"])
    assert {item["name"]: item["size"] for item in listed} == {
        name: len(content) for name, content in files.items()
    }
    assert summary["files"] == len(files) == 5


async def test_hostile_titles_give_names_that_stay_in_the_folder(api: Api) -> None:
    session_id = await journeys.generated(api)
    hostile = ["../../etc/passwd", "C:\\windows\\system32", "=cmd|' /C calc'!A0"]
    for ticket, title in zip(await journeys.tickets(api, session_id), hostile, strict=True):
        await journeys.edit(api, session_id, ticket, title=title)
    await journeys.do(api, "adf_validation", session_id)

    await journeys.do(api, "export", session_id)

    files = await journeys.exported(api, session_id)
    names = [PurePosixPath(name) for name in files if name.startswith("adf/")]
    rows = list(csv.DictReader(io.StringIO(files["jira-import.csv"].decode("utf-8-sig"))))
    assert len(names) == 3
    for name in names:
        assert name.parts[0] == "adf"
        assert len(name.parts) == 2
        assert all(char.isascii() and (char.isalnum() or char in "-.") for char in name.name)
    assert not any(row["Summary"].startswith("=") for row in rows)


async def test_a_completed_session_is_not_exported_again(api: Api) -> None:
    session_id = await journeys.validated(api)
    await journeys.do(api, "export", session_id)

    answer = await journeys.start(api, "export", session_id)

    assert answer.status_code == 409
    assert "`completed`" in answer.json()["detail"]


async def test_tickets_cannot_be_edited_while_they_are_exported(api: Api) -> None:
    session_id = await journeys.validated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.start(api, "export", session_id)

    answer = await api.client.patch(
        f"/api/sessions/{session_id}/tickets/{first['id']}", json={"revision": 1, "title": "Late"}
    )
    await drain(api.runtime)

    assert answer.status_code == 409
    assert await journeys.stage(api, session_id) == "completed"


@pytest.mark.parametrize("path", ["files", "download"])
async def test_there_is_nothing_to_download_before_an_export_is_complete(
    path: str, api: Api
) -> None:
    session_id = await journeys.validated(api)
    address = f"/api/export/{path}/{session_id}"

    before = await api.client.get(address)
    await journeys.start(api, "export", session_id)
    waiting = await api.client.get(address)

    assert (before.status_code, before.json()["code"]) == (404, "export.nothing_exported")
    assert waiting.status_code == 404


@pytest.mark.parametrize("path", ["files", "download"])
async def test_a_colleague_gets_none_of_the_files(path: str, api: Api) -> None:
    session_id = await journeys.validated(api)
    await journeys.do(api, "export", session_id)

    answer = await api.client.get(f"/api/export/{path}/{session_id}", headers=api.as_other)

    assert answer.status_code == 403
