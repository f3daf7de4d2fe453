"""Uploads that take their time: nobody else waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.core.api.expecting import BUNDLES, count_rows, refused
from tests.plugins.processing.workbooks import workbook
from ticketgen.testing import Api, start_session
from ticketgen.testing.serving import LiveApi

pytestmark = pytest.mark.services


async def _held(api: Api) -> list[str]:
    """What transactions are about that are open and do nothing, and stay so.

    The loops beside the routes have short ones of their own, which come and go.
    """
    query = text(
        "SELECT pid, xact_start, query FROM pg_stat_activity "
        "WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
    )
    held: dict[tuple[int, datetime], str] | None = None
    for _ in range(40):
        async with api.runtime.engine.connect() as connection:
            found = {(pid, began): about for pid, began, about in await connection.execute(query)}
        held = found if held is None else {one: held[one] for one in held.keys() & found.keys()}
        if not held:
            return []
        await asyncio.sleep(0.05)
    return list((held or {}).values())


async def test_a_slow_upload_holds_neither_the_session_nor_a_connection(api: Api) -> None:
    session_id = await start_session(api)
    meanwhile: list[tuple[int, list[str]]] = []

    async def slow_form() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="Bundles.csv"\r\n\r\n'
        changed = await api.client.patch(f"/api/sessions/{session_id}", json={"name": "Meanwhile"})
        meanwhile.append((changed.status_code, await _held(api)))
        yield BUNDLES + b"\r\n--b--\r\n"

    answer = await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        content=slow_form(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )

    assert answer.status_code == 201, answer.text
    assert meanwhile == [(200, [])]


async def test_a_session_that_changed_hands_during_an_upload_takes_no_file(api: Api) -> None:
    session_id = await start_session(api)

    async def slow_form() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="Bundles.csv"\r\n\r\n'
        given = await api.client.post(f"/api/sessions/{session_id}/owner", json={"user": "ada"})
        assert given.status_code == 200, given.text
        yield BUNDLES + b"\r\n--b--\r\n"

    answer = await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        content=slow_form(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )

    refused(answer, 403, "permission_denied")
    assert await count_rows(api, "uploads") == 0


def _waiting_files() -> set[str]:
    """Files without a name that this process holds open: where uploads wait."""
    opened = list(Path("/proc/self/fd").iterdir())
    return {str(one) for one in opened if "(deleted)" in _target(one)}


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not list them")
async def test_whoever_leaves_in_the_middle_of_an_upload_leaves_nothing_behind(
    live_api: LiveApi,
) -> None:
    session_id = await start_session(live_api.api)
    before = _waiting_files()
    host, port = live_api.host.split(":")
    half = b"x" * 1_000_000
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /api/sessions/{session_id}/uploads HTTP/1.1\r\nHost: {live_api.host}\r\n"
        f"Authorization: Bearer {live_api.api.token}\r\nContent-Length: 1900000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: "
        'form-data; name="files"; filename="Bundles.csv"\r\n\r\n'.encode()
        + half
    )
    await writer.drain()
    while not (arrived := _waiting_files() - before):  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.01)

    writer.close()

    while _waiting_files() & arrived:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    assert await count_rows(live_api.api, "uploads") == 0
    assert await _held(live_api.api) == []


async def test_a_sheet_of_a_workbook_and_a_file_beside_it_are_stored_as_they_are(
    api: Api,
) -> None:
    session_id = await start_session(api)
    large = BUNDLES + b"".join(b"Kind %d,kind_%d,Content type\n" % (n, n) for n in range(9_000))
    sheets = {
        "Bundles.csv": large,
        "More.xlsx": workbook({"Bundles": [["Name", "Machine name", "Type"], ["A", "a", "x"]]}),
    }

    answer = await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        files=[("files", (name, content, "text/csv")) for name, content in sheets.items()],
    )

    assert answer.status_code == 201, answer.text
    stored = {
        upload["file_name"]: await api.client.get(
            f"/api/sessions/{session_id}/uploads/{upload['id']}/content"
        )
        for upload in answer.json()["uploads"]
    }
    assert stored["Bundles.csv"].content == large
    assert stored["More.xlsx/Bundles"].text.splitlines()[0] == "Name,Machine name,Type"
