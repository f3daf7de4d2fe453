"""Moving tickets, and what depends on what: the order holds, and nobody waits for themselves."""

from __future__ import annotations

import asyncio

import pytest

from tests.core.api.expecting import refused
from tests.core.api.reviewing import in_review
from ticketgen.testing import Api

pytestmark = pytest.mark.services


async def test_a_ticket_goes_before_or_after_another_and_the_others_make_room(api: Api) -> None:
    review = await in_review(api, 5)

    moved = await review.move("t5", before="t2")
    first = await review.order()
    await review.move("t1", after="t4")
    second = await review.order()
    again = await review.move("t1", after="t4")

    assert (moved.status_code, moved.json()["position"], moved.json()["revision"]) == (200, 2, 1)
    assert first == ["t1", "t5", "t2", "t3", "t4"]
    assert second == await review.order() == ["t5", "t2", "t3", "t4", "t1"]
    assert again.json()["position"] == 5
    assert await review.content_revision() == 2, "a move to where it stands is none"


async def test_a_move_that_would_turn_the_order_round_names_what_is_in_the_way(api: Api) -> None:
    review = await in_review(api, 5)
    await review.link(("t4", "t2"))

    early = refused(await review.move("t4", before="t1"), 409, "ticket_order")
    late = refused(await review.move("t2", after="t5"), 409, "ticket_order")
    itself = refused(await review.move("t1", after="t1"), 422)
    both = refused(await review.move("t1", after="t2", before="t3"), 422)
    nowhere = refused(
        await review.move("t1", after="019ac0de-0000-7000-8000-000000000000"), 404, "not_found"
    )

    assert "“Ticket 4” (t4) would stand before what it needs: “Ticket 2” (t2)" in early["detail"]
    assert "would stand after what needs it: “Ticket 4” (t4)" in late["detail"]
    assert itself["detail"] != both["detail"] != nowhere["detail"]
    assert await review.order() == ["t1", "t2", "t3", "t4", "t5"]
    assert await review.content_revision() == 0


async def test_a_dependency_moves_what_is_needed_in_front_and_says_so(api: Api) -> None:
    review = await in_review(api, 5)
    await review.link(("t5", "t4"))

    added = (await review.depend("t2", "t5")).json()
    again = (await review.depend("t2", "t5")).json()

    assert [(one["key"], one["before"], one["after"]) for one in added["moved"]] == [
        ("t4", 4, 2),
        ("t5", 5, 3),
    ]
    assert (added["added"], again["added"], again["moved"]) == (True, False, [])
    assert await review.order() == ["t1", "t4", "t5", "t2", "t3"]
    assert await review.needs("t2") == ["t5"]
    assert (added["ticket"]["revision"], again["ticket"]["revision"]) == (2, 2)
    [link] = added["ticket"]["depends_on"]
    assert link["by_person"] is True


async def test_a_circle_is_refused_with_the_way_around_it(api: Api) -> None:
    review = await in_review(api, 4)
    await review.link(("t2", "t1"), ("t3", "t2"))

    circle = refused(await review.depend("t1", "t3"), 409, "dependency_cycle")
    itself = refused(await review.depend("t1", "t1"), 422)
    other = await in_review(api, 1)
    foreign = refused(await review.depend("t1", other.ids["t1"]), 404, "not_found")
    stale = refused(await review.depend("t4", "t1", revision=7), 409, "superseded")

    way = "“Ticket 1” (t1) → “Ticket 3” (t3) → “Ticket 2” (t2) → “Ticket 1” (t1)"
    assert way in circle["detail"]
    assert itself["detail"] != foreign["detail"]
    assert stale["current"] == {"revision": 1, "based_on": 7}
    assert await review.needs("t1") == []
    assert await review.content_revision() == 0


async def test_two_at_once_that_would_close_a_circle_are_not_both_made(api: Api) -> None:
    review = await in_review(api, 2)

    answers = await asyncio.gather(review.depend("t1", "t2"), review.depend("t2", "t1"))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await review.needs("t1") + await review.needs("t2")) == 1


async def test_a_dependency_of_the_sheets_stays_away_and_can_come_back(api: Api) -> None:
    review = await in_review(api, 3)
    await review.link(("t2", "t1"))
    await review.depend("t3", "t1")

    removed = await review.undepend("t2", "t1")
    by_hand = await review.undepend("t3", "t1")
    twice = refused(await review.undepend("t2", "t1"), 404, "not_found")
    freed = await review.move("t2", before="t1")
    back = (await review.depend("t2", "t1")).json()

    assert removed.json()["depends_on"] == by_hand.json()["depends_on"] == []
    assert "does not depend on" in twice["detail"]
    assert freed.status_code == 200
    assert back["added"] is True
    assert back["ticket"]["depends_on"][0]["by_person"] is False, "it is the sheets' again"
    assert await review.order() == ["t1", "t2", "t3"]
    assert await review.needs("t3") == []


async def test_a_history_tells_who_did_what_newest_first_and_in_pages(api: Api) -> None:
    review = await in_review(api, 3)
    await review.edit("t1", title="Mine")
    await review.depend("t2", "t1")
    await review.move("t3", before="t1")

    of_ticket = await review.read("t2", "history")
    address = f"/api/sessions/{review.session_id}/history"
    newest = await api.client.get(address, params={"limit": 2})
    foreign = await api.client.get(address, headers=api.as_other)

    assert [(one["action"], one["actor"]) for one in of_ticket] == [
        ("ticket.dependency_added", "mia")
    ]
    assert [one["action"] for one in newest.json()] == ["ticket.moved", "ticket.dependency_added"]
    assert int(newest.headers["X-Total-Count"]) == 4, "with the beginning of the session"
    assert foreign.status_code == 403


async def test_many_tickets_are_given_away_at_once_or_none(api: Api) -> None:
    review = await in_review(api, 5)
    some = [review.ids["t1"], review.ids["t2"]]

    named = (await review.assign(ticket_ids=some, assignee="mia", sprint="One")).json()
    again = (await review.assign(ticket_ids=some, assignee="mia")).json()
    filtered = (await review.assign(filter={"group": "Odd", "assignee": ""}, sprint="Two")).json()
    unknown = "019ac0de-0000-7000-8000-000000000000"
    missing = refused(await review.assign(ticket_ids=[*some, unknown], assignee="x"), 404)
    nothing = refused(await review.assign(ticket_ids=some), 422)
    cleared = (await review.assign(filter={}, assignee=None)).json()

    assert named == {"matched": 2, "changed": 2}
    assert again == {"matched": 2, "changed": 0}
    assert filtered == {"matched": 2, "changed": 2}, "t3 and t5; t1 is somebody's"
    assert unknown in missing["detail"]
    assert missing["detail"] != nothing["detail"]
    assert cleared == {"matched": 5, "changed": 2}
    listed = (await review.read(""))["tickets"]
    assert [one["sprint"] for one in listed] == ["One", "One", "Two", None, "Two"]
    assert {one["assignee"] for one in listed} == {None}
    assert [one["revision"] for one in listed] == [3, 3, 2, 1, 2]
    assert await review.content_revision() == 3
