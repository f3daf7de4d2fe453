from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.core.api.by_hand import execute, fail, queued_run
from tests.core.api.expecting import generated_session, refused
from ticketgen.api.routes import session_errors
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services


async def _failed_session(api: Api) -> str:
    session_id = await start_session(api)
    await fail(api, session_id, "First.", at=1)
    await fail(api, session_id, "Second.", at=2)
    await fail(
        api,
        session_id,
        "=Third.",
        at=3,
        category="temporary",
        severity="transient",
        code="rate_limited",
    )
    return session_id


@pytest.mark.parametrize(
    ("params", "messages", "total"),
    [
        ({}, ["=Third.", "Second.", "First."], 3),
        ({"limit": 1, "offset": 1}, ["Second."], 3),
        ({"code": "processing.sheets", "limit": 1}, ["Second."], 2),
        ({"category": "temporary"}, ["=Third."], 1),
        ({"severity": "transient"}, ["=Third."], 1),
        ({"task_id": "019ac0de-0000-7000-8000-000000000000"}, [], 0),
    ],
)
async def test_errors_are_filtered_and_cut_into_pages_and_all_of_them_are_counted(
    api: Api, params: dict[str, Any], messages: list[str], total: int
) -> None:
    session_id = await _failed_session(api)

    answer = await api.client.get(f"/api/sessions/{session_id}/errors", params=params)

    assert [item["user_message"] for item in answer.json()] == messages
    assert answer.headers["X-Total-Count"] == str(total)


async def test_a_filter_that_is_none_is_refused(api: Api) -> None:
    session_id = await start_session(api)

    for params in ({"category": "nobody"}, {"severity": "x"}, {"task_id": "x"}, {"code": "a\x00"}):
        answer = await api.client.get(f"/api/sessions/{session_id}/errors", params=params)

        refused(answer, 422)


async def test_errors_of_a_kind_are_one_group_with_the_words_of_the_last(api: Api) -> None:
    session_id = await _failed_session(api)

    groups = (await api.client.get(f"/api/sessions/{session_id}/errors/groups")).json()

    assert [(group["code"], group["count"], group["blocking"]) for group in groups] == [
        ("rate_limited", 1, 0),
        ("processing.sheets", 2, 2),
    ]
    assert groups[1]["user_message"] == "Second."
    assert groups[1]["recovery_actions"] == ["Mend it."]
    assert groups[1]["first_at"] < groups[1]["last_at"]
    assert groups[1]["operation_stages"] == ["processing"]
    assert [group["retrying"] for group in groups] == [[], []]


async def test_a_group_tells_what_is_tried_again_by_itself(api: Api) -> None:
    session_id = await generated_session(api)
    run_id = await queued_run(api, session_id)
    limited = {"category": "temporary", "severity": "transient", "code": "rate_limited"}
    await fail(api, session_id, "Too many.", task=run_id, **limited)
    await execute(
        api,
        "UPDATE session_tasks SET tries = 2,"
        ' error = \'{"code": "rate_limited", "error_category": "temporary"}\' WHERE id = :id',
        id=run_id,
    )

    [group] = (await api.client.get(f"/api/sessions/{session_id}/errors/groups")).json()

    [retrying] = group["retrying"]
    assert (retrying["task_id"], retrying["tries"]) == (run_id, 2)
    assert retrying["next_try_at"] is not None


async def test_the_file_has_every_error_once_in_order_and_no_formula(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_errors, "_PAGE", 2)
    session_id = await _failed_session(api)
    for number in range(4):
        await fail(api, session_id, f"More {number}.", at=10)

    answer = await api.client.get(f"/api/sessions/{session_id}/errors/export")

    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["user_message"] for row in rows[:3]] == ["First.", "Second.", "'=Third."]
    assert sorted(row["user_message"] for row in rows[3:]) == [f"More {n}." for n in range(4)]
    assert rows[0]["recovery_actions"] == "Mend it."
    assert "secret" not in answer.text


async def test_the_file_keeps_to_the_filters(api: Api) -> None:
    session_id = await _failed_session(api)

    answer = await api.client.get(
        f"/api/sessions/{session_id}/errors/export", params={"severity": "transient"}
    )

    assert answer.text.count("\r\n") == 2
