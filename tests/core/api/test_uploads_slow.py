"""Uploads that take their time: nobody else waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from sqlalchemy import text

from tests.core.api.expecting import BUNDLES, count_rows, refused
from ticketgen.testing import Api, start_session

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
