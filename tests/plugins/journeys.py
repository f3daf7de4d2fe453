"""Sessions on their way through the API, for tests of what the plugins do inside a host."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import httpx2

from ticketgen.testing import Api, drain, start_session

SHEETS: Mapping[str, bytes] = {
    "Bundles.csv": (
        b"Name,Machine name,Type\n"
        b"Article,article,Content type\n"
        b"Event,event,Content type\n"
        b"Topics,topics,Vocabulary\n"
    ),
    "Fields.csv": (
        b"Bundle,Field label,Machine name,Field type,Ref. bundle,Bundle machine name\n"
        b"Article (Content type),Topic,field_topic,Entity reference,Topics (Vocabulary),article\n"
        b"Event (Content type),Story,field_story,Entity reference,Article (Content type),event\n"
    ),
}
"""Three tickets in this order of work: Topics, Article, Event."""


async def start(api: Api, task: str, session_id: str, **request: Any) -> httpx2.Response:
    """The answer to a start over the route every task has."""
    return await api.client.post(f"/api/{task}/start/{session_id}", json=request)


async def latest_run(api: Api, task: str, session_id: str) -> dict[str, Any]:
    """The newest run of a task as the API shows it."""
    answer = await api.client.get(f"/api/{task}/status/{session_id}")
    answer.raise_for_status()
    run: dict[str, Any] = answer.json()["run"]
    return run


async def do(api: Api, task: str, session_id: str, **request: Any) -> dict[str, Any]:
    """Run a task to its good end; the summary it gives."""
    started = await start(api, task, session_id, **request)
    assert started.status_code == 202, started.text
    await drain(api.runtime)
    run = await latest_run(api, task, session_id)
    assert run["status"] == "completed", run
    summary: dict[str, Any] = run["result_summary"]
    return summary


async def generated(api: Api, files: Mapping[str, bytes] = SHEETS, **site: Any) -> str:
    """A session in review, whatever errors its sheets have."""
    session_id = await start_session(api, files, **site)
    if files is not SHEETS:
        await accept_errors(api, session_id)
    await do(api, "processing", session_id)
    return session_id


async def accept_errors(api: Api, session_id: str) -> dict[str, Any]:
    """Check the sheets and accept every error in them; the report after that."""
    await do(api, "processing.check", session_id)
    report = await findings(api, session_id)
    wrong = [group["id"] for group in report["groups"] if group["open_errors"]]
    if not wrong:
        return report
    answer = await api.client.post(
        f"/api/processing/findings/{session_id}/accept", json={"groups": wrong, "reason": "Test."}
    )
    assert answer.status_code == 200, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


async def findings(api: Api, session_id: str) -> dict[str, Any]:
    """The report on the session's sheets."""
    answer = await api.client.get(f"/api/processing/findings/{session_id}")
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def validated(api: Api, files: Mapping[str, bytes] = SHEETS) -> str:
    """A session that may be exported."""
    session_id = await generated(api, files)
    assert (await do(api, "adf_validation", session_id))["passed"]
    return session_id


async def stage(api: Api, session_id: str) -> str:
    return str((await api.client.get(f"/api/sessions/{session_id}")).json()["stage"])


async def tickets(api: Api, session_id: str) -> list[dict[str, Any]]:
    """Every ticket in full, in order of work."""
    listed = await api.client.get(f"/api/sessions/{session_id}/tickets")
    return [
        (await api.client.get(f"/api/sessions/{session_id}/tickets/{ticket['id']}")).json()
        for ticket in listed.json()["tickets"]
    ]


async def edit(api: Api, session_id: str, ticket: Mapping[str, Any], **fields: Any) -> None:
    answer = await api.client.patch(
        f"/api/sessions/{session_id}/tickets/{ticket['id']}",
        json={"revision": ticket["revision"], **fields},
    )
    assert answer.status_code == 200, answer.text


async def exported(api: Api, session_id: str) -> dict[str, bytes]:
    """The files of the session's export, by name."""
    answer = await api.client.get(f"/api/export/download/{session_id}")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
