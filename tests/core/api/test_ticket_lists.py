from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, text

from tests.core.api.expecting import refused
from tests.core.api.reviewing import in_review
from ticketgen.testing import Api

pytestmark = pytest.mark.services

_FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["t1", "t2", "t3", "t4", "t5"]),
    ({"group": "Even"}, ["t2", "t4"]),
    ({"group": "even"}, []),
    ({"group": ""}, []),
    ({"group": "' OR 1=1 --"}, []),
    ({"csv_type": "views"}, ["t4", "t5"]),
    ({"assignee": "mia"}, ["t1", "t2"]),
    ({"assignee": ""}, ["t3", "t4", "t5"]),
    ({"sprint": "Sprint 4"}, ["t2"]),
    ({"sprint": "", "assignee": "mia"}, ["t1"]),
    ({"edited": True}, ["t3"]),
    ({"edited": False}, ["t1", "t2", "t4", "t5"]),
    ({"oversize": True}, ["t4"]),
    ({"oversize": False, "group": "Even"}, ["t2"]),
    ({"with_notes": True}, ["t5"]),
    ({"with_notes": False}, ["t1", "t2", "t3", "t4"]),
    ({"q": "ticket 2"}, ["t2"]),
    ({"q": "T1"}, ["t1"]),
    ({"q": "100% ABOUT"}, ["t3"]),
    ({"q": "%"}, ["t3"]),
    ({"q": "nothing"}, []),
    ({"limit": 2, "offset": 3}, ["t4", "t5"]),
]


async def test_a_list_has_what_was_asked_for_and_counts_it_by_group(
    api: Api, subtests: pytest.Subtests
) -> None:
    review = await in_review(api)
    await review.set("t1", assignee="mia", edited_at=datetime.now(UTC))
    await review.set("t2", assignee="mia", sprint="Sprint 4")
    await review.set("t3", description="100% about", edited_at=datetime.now(UTC))
    # Longer in bytes than may be, in characters not; and one that is too long.
    await review.set("t2", description="ä" * 30_000, generated_description="ä" * 30_000)
    await review.set("t4", description="x" * 30_001, generated_description="x" * 30_001)
    await review.set("t5", notes=["Doubtful."])

    for params, keys in _FILTERS:
        with subtests.test(params=params):
            answer = await api.client.get(review.address(), params=params)

            found = answer.json()
            of_group = {name: value for name, value in params.items() if name == "group"}
            assert [ticket["key"] for ticket in found["tickets"]] == keys
            assert set(found["groups"]) == {"Odd", "Even"}
            if "limit" in params:
                assert found["total"] == 5
            else:
                assert found["total"] == len(keys)
            if not of_group:
                assert sum(found["groups"].values()) == found["total"]
            assert answer.headers["X-Total-Count"] == str(found["total"])


async def test_a_line_says_what_is_special_about_a_ticket_and_not_what_it_says(api: Api) -> None:
    review = await in_review(api, 3)
    await review.link(("t3", "t1"), ("t3", "t2"))
    await review.link(("t2", "t1"), removed=True)
    await review.set("t3", notes=["a", "b"], title="Mine", edited_at=datetime.now(UTC))

    lines = (await review.read(""))["tickets"]

    told = ("is_edited", "oversize", "notes_count", "depends_on_count")
    assert [[line[name] for name in told] for line in lines] == [
        [False, False, 0, 0],
        [False, False, 0, 0],
        [True, False, 2, 2],
    ]
    assert not {"description", "notes", "sources"} & lines[0].keys()


async def test_a_filter_that_cannot_be_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    review = await in_review(api, 1)

    for query in (
        "group=a%00b",
        "q=a%00b",
        "assignee=%00",
        f"q={'x' * 201}",
        "edited=perhaps",
        "limit=0",
        "limit=1001",
        "offset=-1",
    ):
        with subtests.test(query=query[:20]):
            refused(await api.client.get(f"{review.address()}?{query}"), 422, "invalid_input")


async def test_a_list_asks_the_database_as_often_for_two_tickets_as_for_fifty_and_for_no_text(
    api: Api,
) -> None:
    two, fifty = await in_review(api, 2), await in_review(api, 50)
    asked: list[str] = []
    engine = api.runtime.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    await two.read("")
    for_two = len(asked)
    asked.clear()

    found = await fifty.read("")

    assert len(found["tickets"]) == 50
    assert len(asked) == for_two
    read = [statement.partition(" FROM ")[0] for statement in asked if "tickets" in statement]
    assert read
    assert not [columns for columns in read if "description," in columns]


async def test_the_list_of_a_session_is_found_by_an_index_among_the_tickets_of_all(
    api: Api,
) -> None:
    review = await in_review(api, 2)
    await in_review(api, 400)
    plans: list[str] = []
    async with api.runtime.engine.connect() as connection:
        await connection.execute(text("ANALYZE tickets"))
        for query in (
            "SELECT id FROM tickets WHERE session_id = :id ORDER BY position, id LIMIT 100",
            "SELECT entity_group, count(*) FROM tickets WHERE session_id = :id GROUP BY 1",
        ):
            rows = await connection.execute(text(f"EXPLAIN {query}"), {"id": review.session_id})
            plans.append("\n".join(row[0] for row in rows))

    assert [plan for plan in plans if "Seq Scan" in plan] == []
