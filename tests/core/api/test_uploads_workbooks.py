from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from sqlalchemy import text

from tests.core.api.expecting import BUNDLES, count_rows, generated_session, refused
from tests.plugins.processing.broken_texts import BROKEN_TEXTS
from tests.plugins.processing.broken_workbooks import BROKEN_WORKBOOKS
from tests.plugins.processing.workbooks import workbook
from ticketgen.settings import Settings
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services

HEAD = ["Name", "Machine name", "Type"]
ARTICLE = ["Article", "article", "Content type"]
ROLES = [["Name", "Machine name"], ["Editor", "editor"]]


async def _send(
    api: Api, session_id: str, *files: tuple[str, bytes], types: str | None = None
) -> httpx2.Response:
    return await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        files=[("files", file) for file in files],
        data={"types": types} if types is not None else None,
    )


async def _names(api: Api, session_id: str) -> list[str]:
    listed = await api.client.get(f"/api/sessions/{session_id}/uploads")
    return [upload["file_name"] for upload in listed.json()]


async def test_a_workbook_is_stored_as_its_sheets_and_replaced_with_all_of_them(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    sheets = {"Bundles": [HEAD, ARTICLE], "Notes": [["a", "b"]], "Roles": ROLES}

    first = await _send(api, session_id, ("Spec.xlsx", workbook(sheets)))
    names = await _names(api, session_id)
    second = await _send(
        api,
        session_id,
        ("Spec.xlsx", workbook({"Roles": ROLES, "Weird": [HEAD, ARTICLE]})),
        types=json.dumps({"Weird": "bundles"}),
    )

    assert first.status_code == 201, first.text
    assert [one["rule"] for one in first.json()["findings"]] == ["processing.sheet_left_out"]
    bundles = first.json()["uploads"][0]
    assert (bundles["file_name"], bundles["workbook"]) == ("Spec.xlsx/Bundles", "Spec.xlsx")
    assert (bundles["detected_by"], bundles["encoding"]) == ("file name and header", "xlsx")
    assert names == ["Bundles.csv", "Spec.xlsx/Bundles", "Spec.xlsx/Roles"]
    assert second.status_code == 201, second.text
    weird = second.json()["uploads"][1]
    assert (weird["csv_type"], weird["detected_by"], weird["confidence"]) == (
        "bundles",
        "chosen",
        1.0,
    )
    assert await _names(api, session_id) == ["Bundles.csv", "Spec.xlsx/Roles", "Spec.xlsx/Weird"]

    content = await api.client.get(f"/api/sessions/{session_id}/uploads/{weird['id']}/content")
    assert content.content == b"Name,Machine name,Type\nArticle,article,Content type\n"
    assert unquote(content.headers["content-disposition"]).endswith("''Spec.xlsx - Weird.csv")
    assert content.headers["x-content-type-options"] == "nosniff"

    for types, said in (
        ('{"Nobody": "bundles"}', "Nobody"),
        ('{"Weird": "nothing"}', "cannot be read"),
        ('{"Weird": 1}', "JSON object"),
        ("[" * 9000, "JSON object"),
        ('{"\\ud800": "bundles"}', "none of the sheets"),
    ):
        answer = await _send(api, session_id, ("Spec.xlsx", workbook(sheets)), types=types)
        assert said in refused(answer, 422)["message"]


async def test_a_wrong_type_is_corrected_without_a_new_upload(api: Api) -> None:
    session_id = await generated_session(api)
    stored = (await api.client.get(f"/api/sessions/{session_id}/uploads")).json()[0]
    address = f"/api/sessions/{session_id}/uploads/{stored['id']}"

    async def stage() -> str:
        return str((await api.client.get(f"/api/sessions/{session_id}")).json()["stage"])

    confirmed = await api.client.patch(address, json={"csv_type": "bundles"})
    after_confirming = await stage()
    unknown = await api.client.patch(address, json={"csv_type": "nothing"})
    nonsense = await api.client.patch(address, json={"csv_type": "x", "name": "y"})
    changed = await api.client.patch(address, json={"csv_type": "custom"})
    elsewhere = await api.client.patch(
        f"/api/sessions/{await start_session(api)}/uploads/{stored['id']}",
        json={"csv_type": "custom"},
    )

    assert confirmed.json()["upload"]["detected_by"] == "chosen"
    assert after_confirming == "review"
    assert "workflows" in refused(unknown, 422, "findings")["findings"][0]["remedy"]
    refused(nonsense, 422)
    assert changed.status_code == 200, changed.text
    assert changed.json()["upload"]["csv_type"] == "custom"
    assert changed.json()["upload"]["sha256"] == stored["sha256"]
    assert [one["rule"] for one in changed.json()["findings"]] == ["processing.missing_column"]
    refused(elsewhere, 404)
    assert await stage() == "upload"
    async with api.runtime.engine.connect() as connection:
        entries = await connection.execute(
            text("SELECT details FROM audit_log WHERE action = 'upload.type_corrected'")
        )
        assert {"from": "bundles", "to": "custom"} in list(entries.scalars())


async def test_every_broken_file_is_stored_or_refused_with_what_to_do(api: Api) -> None:
    session_id = await start_session(api)

    for broken in (*BROKEN_TEXTS, *BROKEN_WORKBOOKS):
        answer = await _send(api, session_id, (broken.file, broken.content()))

        if broken.refused is None:
            assert answer.status_code == 201, (broken.name, answer.text)
            findings = answer.json()["findings"]
        else:
            findings = refused(answer, 422, "findings")["findings"]
            assert any(broken.refused in one["message"] for one in findings), broken.name
        assert all(one["message"] and one["remedy"] for one in findings)
        for upload in answer.json().get("uploads", []):
            await api.client.delete(f"/api/sessions/{session_id}/uploads/{upload['id']}")
    assert await count_rows(api, "uploads") == 0


class TestSmallSession:
    """Three sheets of 150 bytes, and six rows in all."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={
                "upload_max_files": 3,
                "upload_max_session_bytes": 4_000,
                "upload_max_file_bytes": 150,
                "upload_max_session_rows": 6,
            }
        )

    async def test_sheets_count_as_they_are_stored_and_what_is_too_much_is_not_read(
        self, api: Api
    ) -> None:
        session_id = await start_session(api, {"Bundles.csv": BUNDLES})
        fits = workbook({"Bundles": [HEAD, ARTICLE], "Roles": ROLES})
        sheets = workbook({"Bundles": [HEAD], "Roles": ROLES, "2 Roles": ROLES})
        rows = workbook({"Roles": [*ROLES, *[["x", "x"]] * 5]})
        large = workbook({"Roles": [*ROLES, ["x" * 200, "x"]]})

        stored = await _send(api, session_id, ("Spec.xlsx", fits))
        again = await _send(api, session_id, ("Spec.xlsx", fits))

        assert (stored.status_code, again.status_code) == (201, 201), stored.text
        for content, said in (
            (sheets, "at most 3 files, not 4"),
            (rows, "at most 6 rows, not 8"),
            (large, "Spec.xlsx/Roles (235 bytes)"),
        ):
            answer = await _send(api, session_id, ("Spec.xlsx", content))
            assert said in refused(answer, 413, "too_large")["message"]
        assert len(await _names(api, session_id)) == 3

    async def test_a_form_is_refused_at_the_first_byte_too_many(self, api: Api) -> None:
        session_id = await start_session(api)
        sent: list[int] = []
        part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="%d.csv"\r\n\r\n'

        async def one_large() -> AsyncIterator[bytes]:
            yield part % 1
            for _ in range(100):
                sent.append(1)
                yield b"x" * 100

        async def many_small() -> AsyncIterator[bytes]:
            for number in range(100):
                sent.append(1)
                yield part % number + b"Name\r\n"

        async def posted(content: Any, **headers: str) -> tuple[str, int]:
            sent.clear()
            answer = await api.client.post(
                f"/api/sessions/{session_id}/uploads",
                content=content,
                headers={"Content-Type": "multipart/form-data; boundary=b", **headers},
            )
            return str(refused(answer, 413, "too_large")["message"]), len(sent)

        large, pieces = await posted(one_large())
        many, parts = await posted(many_small())
        told, nothing = await posted(one_large(), **{"Content-Length": "99999999"})

        assert "1.csv has more" in large
        assert pieces < 10
        assert "at most 3 files" in many
        assert parts < 10
        assert "99,999,999" in told
        assert nothing == 0
        assert await count_rows(api, "uploads") == 0
