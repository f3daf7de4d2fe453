from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from tests.core.api.expecting import BUNDLES, count_rows, generated_session, refused
from ticketgen.api.limits import FORM_OVERHEAD
from ticketgen.sample import sample_files
from ticketgen.settings import Settings
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services


async def _upload(
    api: Api, session_id: str, files: Sequence[tuple[str, bytes]], **params: Any
) -> httpx2.Response:
    return await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        params=params,
        files=[("files", (name, content, "text/csv")) for name, content in files],
    )


def _archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Bundles.csv", BUNDLES)
    return packed.getvalue()


async def test_files_are_stored_with_their_type_and_rows(api: Api) -> None:
    session_id = await start_session(api)

    answer = await _upload(api, session_id, [("ACME_Bundles.csv", BUNDLES)])

    upload = answer.json()["uploads"][0]
    assert answer.status_code == 201
    assert upload["csv_type"] == "bundles"
    assert upload["row_count"] == 2
    assert upload["size"] == len(BUNDLES)
    listed = (await api.client.get(f"/api/sessions/{session_id}/uploads")).json()
    assert listed == [upload]
    session = (await api.client.get(f"/api/sessions/{session_id}")).json()
    assert session["stage"] == "upload"


async def test_a_second_upload_of_a_name_takes_the_place_of_the_first(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})

    await _upload(api, session_id, [("Bundles.csv", BUNDLES + b"Page,page,Content type\n")])

    listed = (await api.client.get(f"/api/sessions/{session_id}/uploads")).json()
    assert [upload["row_count"] for upload in listed] == [3]


async def test_the_type_can_be_given_where_it_cannot_be_told(api: Api) -> None:
    session_id = await start_session(api)

    answer = await _upload(api, session_id, [("x.csv", BUNDLES)], csv_type="bundles")

    assert answer.json()["uploads"][0]["csv_type"] == "bundles"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mystery.csv", b"alpha,beta\n1,2\n"),
        ("Bundles.csv", b""),
        ("Bundles.csv", b"\n\n\n"),
        ("Bundles.csv", _archive()),
        ("Bundles.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8),
    ],
    ids=["unknown type", "empty", "blank", "zip", "png"],
)
async def test_a_file_that_is_no_sheet_is_refused_with_what_to_do(
    api: Api, name: str, content: bytes
) -> None:
    session_id = await start_session(api)

    answer = await _upload(api, session_id, [(name, content)])

    finding = refused(answer, 422, "findings")["findings"][0]
    assert finding["file"] == name
    assert finding["message"]
    assert finding["remedy"]
    assert await count_rows(api, "uploads") == 0


async def test_the_problems_of_all_files_are_told_at_once_and_no_file_is_stored(api: Api) -> None:
    session_id = await start_session(api)

    answer = await _upload(
        api, session_id, [("Bundles.csv", BUNDLES), ("a.csv", b""), ("b.csv", _archive())]
    )

    findings = refused(answer, 422, "findings")["findings"]
    assert {finding["file"] for finding in findings} == {"a.csv", "b.csv"}
    assert await count_rows(api, "uploads") == 0
    session = (await api.client.get(f"/api/sessions/{session_id}")).json()
    assert session["stage"] == "site_info_collection"


@pytest.mark.parametrize("csv_type", ["nothing", "", "a\x00b", "../bundles"])
async def test_an_unknown_type_is_refused(api: Api, csv_type: str) -> None:
    session_id = await start_session(api)

    answer = await _upload(api, session_id, [("x.csv", BUNDLES)], csv_type=csv_type)

    refused(answer, 422)
    assert await count_rows(api, "uploads") == 0


@pytest.mark.parametrize("stored", [0, 20], ids=["at once", "together with stored ones"])
async def test_twenty_six_files_are_too_many(api: Api, stored: int) -> None:
    session_id = await start_session(api)
    names = [f"{number}_Bundles.csv" for number in range(26)]
    if stored:
        await _upload(api, session_id, [(name, BUNDLES) for name in names[:stored]])

    answer = await _upload(api, session_id, [(name, BUNDLES) for name in names[stored:]])

    assert "25" in refused(answer, 413, "too_large")["message"]
    assert await count_rows(api, "uploads") == stored


async def test_a_file_of_three_megabytes_is_too_large(api: Api) -> None:
    session_id = await start_session(api)

    answer = await _upload(api, session_id, [("Bundles.csv", BUNDLES + b"x" * 3_000_000)])

    assert "Bundles.csv" in refused(answer, 413, "too_large")["message"]
    assert await count_rows(api, "uploads") == 0


async def test_two_files_of_the_same_name_are_refused(api: Api) -> None:
    session_id = await start_session(api)

    answer = await _upload(api, session_id, [("Bundles.csv", BUNDLES), ("x/Bundles.csv", BUNDLES)])

    assert "Bundles.csv" in refused(answer, 422)["message"]
    assert await count_rows(api, "uploads") == 0


@pytest.mark.parametrize(
    "name", ["../../etc/Bundles.csv", "C:\\x\\Bundles.csv", "/Bundles.csv", "..\\..\\Bundles.csv"]
)
async def test_of_a_path_only_the_bare_name_is_kept(api: Api, name: str) -> None:
    session_id = await start_session(api)

    answer = await _upload(api, session_id, [(name, BUNDLES)])

    assert answer.status_code == 201, answer.text
    assert answer.json()["uploads"][0]["file_name"] == "Bundles.csv"


_PARTS = "multipart/form-data; boundary=b"
_PART = b"--b\r\nContent-Disposition: form-data; name="
_NO_NAMES = ["..", ".", "/", "x\x00.csv", "a\nb.csv", "‮.csv", "x" * 256]


async def test_a_name_that_is_none_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    session_id = await start_session(api)

    for name in _NO_NAMES:
        with subtests.test(name=name[:60]):
            head = _PART + b'"files"; filename="' + name.encode() + b'"\r\n\r\n'

            answer = await api.client.post(
                f"/api/sessions/{session_id}/uploads",
                content=head + BUNDLES + b"\r\n--b--\r\n",
                headers={"Content-Type": _PARTS},
            )

            refused(answer, 422, "invalid_input")
            assert await count_rows(api, "uploads") == 0


_NO_FORMS = [
    (BUNDLES, "text/csv"),
    (b"{}", "application/json"),
    (b"files=x", "application/x-www-form-urlencoded"),
    (b"", _PARTS),
    (b"garbage", _PARTS),
    (b"garbage", "multipart/form-data"),
    (_PART + b'"files"\r\n\r\nx\r\n--b--\r\n', _PARTS),
    (_PART + b'"other"; filename="Bundles.csv"\r\n\r\nName\r\n--b--\r\n', _PARTS),
    (_PART + b'"files"; filename="Bundles.csv"\r\n\r\nN', _PARTS),
]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Starlette's leak
async def test_what_is_no_form_with_files_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    session_id = await start_session(api)

    for body, content_type in _NO_FORMS:
        with subtests.test(body=body[:80], content_type=content_type):
            answer = await api.client.post(
                f"/api/sessions/{session_id}/uploads",
                content=body,
                headers={"Content-Type": content_type},
            )

            refused(answer, 422, "invalid_input")
            assert await count_rows(api, "uploads") == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Starlette's leak
async def test_of_a_form_that_is_cut_off_no_file_is_stored(api: Api) -> None:
    session_id = await start_session(api)
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="%b"\r\n\r\n'
    body = part % b"Bundles.csv" + BUNDLES + b"\r\n" + part % b"2_Bundles.csv" + BUNDLES[:40]

    answer = await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        content=body,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )

    assert "cut off" in refused(answer, 422)["message"]
    assert await count_rows(api, "uploads") == 0


class TestSmallSession:
    """A session that may hold 200 bytes, a file 150."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(
            update={"upload_max_session_bytes": 200, "upload_max_file_bytes": 150}
        )

    async def test_the_bytes_of_all_files_together_are_limited(self, api: Api) -> None:
        session_id = await start_session(api, {"Bundles.csv": BUNDLES})

        answer = await _upload(api, session_id, [("a.csv", BUNDLES), ("b.csv", BUNDLES)])

        assert "200 bytes" in refused(answer, 413, "too_large")["message"]
        assert await count_rows(api, "uploads") == 1

    async def test_a_file_in_place_of_another_takes_no_room_of_its_own(self, api: Api) -> None:
        session_id = await start_session(api, {"Bundles.csv": BUNDLES})
        larger = BUNDLES + b"Page,page,Content type\n"

        answers = [await _upload(api, session_id, [("Bundles.csv", larger)]) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [201, 201, 201]

    async def test_a_form_is_refused_while_it_is_read_whatever_its_length_says(
        self, api: Api
    ) -> None:
        session_id = await start_session(api)
        sent = 0

        async def endless() -> Any:
            nonlocal sent
            yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\n'
            while sent < 20 * FORM_OVERHEAD:
                sent += 65_536
                yield b"x" * 65_536

        answer = await api.client.post(
            f"/api/sessions/{session_id}/uploads",
            content=endless(),
            headers={"Content-Type": "Multipart/Form-Data; boundary=b", "Content-Length": "10"},
        )

        refused(answer, 413, "too_large")
        assert await count_rows(api, "uploads") == 0


async def test_nul_bytes_in_cells_stop_nothing_and_never_reach_the_database(api: Api) -> None:
    session_id = await start_session(api)

    answer = await _upload(api, session_id, [("Bundles.csv", BUNDLES.replace(b"News", b"N\0ws"))])

    if answer.status_code == 201:
        started = await api.client.post(f"/api/processing/start/{session_id}")
        assert started.status_code == 202
    else:
        refused(answer, 422, "findings")
        assert await count_rows(api, "uploads") == 0


async def test_new_files_take_a_session_in_review_back_to_upload(api: Api) -> None:
    session_id = await generated_session(api)

    answer = await _upload(api, session_id, [("2_Bundles.csv", BUNDLES)])

    assert answer.status_code == 201
    session = (await api.client.get(f"/api/sessions/{session_id}")).json()
    assert session["stage"] == "upload"


async def test_files_stand_still_while_they_are_read(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    upload = (await api.client.get(f"/api/sessions/{session_id}/uploads")).json()[0]
    await api.client.post(f"/api/processing/start/{session_id}")

    added = await _upload(api, session_id, [("2_Bundles.csv", BUNDLES)])
    deleted = await api.client.delete(f"/api/sessions/{session_id}/uploads/{upload['id']}")

    refused(added, 409)
    refused(deleted, 409)
    assert await count_rows(api, "uploads") == 1


async def test_a_deleted_file_is_gone_and_cannot_be_deleted_twice(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    upload = (await api.client.get(f"/api/sessions/{session_id}/uploads")).json()[0]
    address = f"/api/sessions/{session_id}/uploads/{upload['id']}"

    first = await api.client.delete(address)
    second = await api.client.delete(address)

    assert first.status_code == 204
    assert first.content == b""
    refused(second, 404, "not_found")


async def test_a_file_of_another_session_is_not_found(api: Api) -> None:
    mine = await start_session(api, {"Bundles.csv": BUNDLES})
    other = await start_session(api, {"Bundles.csv": BUNDLES})
    upload = (await api.client.get(f"/api/sessions/{other}/uploads")).json()[0]

    answer = await api.client.delete(f"/api/sessions/{mine}/uploads/{upload['id']}")

    refused(answer, 404)
    assert await count_rows(api, "uploads") == 2


async def test_an_upload_keeps_the_session_from_expiring(api: Api) -> None:
    session_id = await start_session(
        api, {"HM_Bundles.csv": sample_files()["TIDEMARK_Bundles.csv"]}
    )
    before = (await api.client.get(f"/api/sessions/{session_id}")).json()["updated_at"]

    await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        files=[("files", ("HM_Fields.csv", sample_files()["TIDEMARK_Fields.csv"], "text/csv"))],
    )

    after = (await api.client.get(f"/api/sessions/{session_id}")).json()
    assert after["stage"] == "upload"
    assert after["updated_at"] > before
