from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.core.api.expecting import refused
from tests.core.api.reviewing import in_review
from ticketgen.domain.generated_tickets import EDIT_OUTDATED
from ticketgen.testing import Api

pytestmark = pytest.mark.services


async def test_an_edit_changes_what_it_names_and_counts(api: Api) -> None:
    review = await in_review(api, 2)
    before = await review.read("t1")

    answer = await review.edit("t1", title="Event calendar", assignee="mia")

    after = answer.json()
    assert answer.status_code == 200
    assert (after["title"], after["assignee"], after["revision"]) == ("Event calendar", "mia", 2)
    assert after["edited_at"] is not None
    assert after["is_edited"] is True
    assert after["description"] == before["description"]
    assert await review.read("t1") == after
    assert await review.content_revision() == 1
    again = (await review.edit("t1", 2, assignee=None)).json()
    assert (again["assignee"], again["revision"]) == (None, 3)


async def test_an_edit_that_says_what_is_there_already_is_none_and_may_be_sent_twice(
    api: Api,
) -> None:
    review = await in_review(api, 1)
    made = await review.edit("t1", title="Mine", description="One\r\ntwo\rthree")

    again = await review.edit("t1", 1, title="Mine", description="One\ntwo\nthree")
    partly = await review.edit("t1", 2, title=" Mine ", sprint=None)

    assert made.json() == again.json() == partly.json()
    assert made.json()["description"] == "One\ntwo\nthree"
    assert await review.content_revision() == 1
    assert len(await review.read("t1", "history")) == 1


_SENSELESS_EDITS: list[dict[str, Any]] = [
    {},
    {"title": "Event"},
    {"revision": 1},
    {"revision": "one", "title": "Event"},
    {"revision": 1, "title": None},
    {"revision": 1, "title": ""},
    {"revision": 1, "title": "x" * 201},
    {"revision": 1, "title": "a\x00b"},
    {"revision": 1, "title": "\ud83d"},
    {"revision": 1, "description": None},
    {"revision": 1, "description": "a\x00b"},
    {"revision": 1, "description": "\udc00"},
    {"revision": 1, "description": "x" * 200_001},
    {"revision": 1, "titel": "Event"},
    {"revision": 1, "position": 7},
]


async def test_an_edit_that_makes_no_sense_changes_nothing(
    api: Api, subtests: pytest.Subtests
) -> None:
    review = await in_review(api, 1)
    before = await review.read("t1")

    for edit in _SENSELESS_EDITS:
        with subtests.test(edit=ascii(edit)[:60]):
            # As escapes: the client would not send half a surrogate pair.
            answer = await api.client.patch(
                review.address("t1"),
                content=json.dumps(edit),
                headers={"Content-Type": "application/json"},
            )

            refused(answer, 422)
            assert await review.read("t1") == before


async def test_an_edit_of_another_revision_is_told_both_versions_and_who_was_faster(
    api: Api,
) -> None:
    review = await in_review(api, 2)
    await review.edit("t1", title="Hers", sprint="Sprint 4")
    await api.client.patch(
        review.address("t1"),
        json={"revision": 2, "description": "Theirs."},
        headers=api.as_admin,
    )
    await review.assign(filter={}, assignee="otto")

    answer = await review.edit("t1", 2, title="His", description="Mine.", sprint="Sprint 4")

    problem = refused(answer, 409, "superseded")
    current = problem["current"]
    assert "revision 4" in problem["message"]
    assert (current["revision"], current["based_on"]) == (4, 2)
    assert current["now"] == {
        "title": "Hers",
        "description": "Theirs.",
        "assignee": "otto",
        "sprint": "Sprint 4",
    }
    assert current["wanted"] == {"title": "His", "description": "Mine.", "sprint": "Sprint 4"}
    assert current["differing"] == ["description", "title"]
    assert [(change["actor"], change["action"]) for change in current["changes"]] == [
        ("mia", "tickets.assigned"),
        ("ada", "ticket.edited"),
    ]
    assert (await review.read("t1"))["title"] == "Hers"


@pytest.mark.parametrize("revision", [0, 2, -1, 10**30])
async def test_an_edit_of_a_revision_that_is_not_is_refused(api: Api, revision: int) -> None:
    review = await in_review(api, 1)

    answer = await review.edit("t1", revision, title="Event")

    problem = refused(answer, 409, "superseded")
    assert "revision 1" in problem["message"]
    assert problem["current"]["changes"] == []


async def test_of_ten_edits_at_once_one_is_made_and_the_others_are_told(api: Api) -> None:
    review = await in_review(api, 1)

    answers = await asyncio.gather(
        *(review.edit("t1", title=f"Event {number}") for number in range(10))
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    ticket = await review.read("t1")
    assert ticket["revision"] == 2
    assert {answer.json()["current"]["now"]["title"] for answer in answers if answer.is_error} == {
        ticket["title"]
    }


async def test_edits_of_words_are_taken_back_and_nothing_else(api: Api) -> None:
    review = await in_review(api, 1)
    await review.edit("t1", title="Mine", description="My words.", assignee="mia")
    await review.set("t1", notes=["Doubtful.", EDIT_OUTDATED])
    address = review.address("t1", "revert")

    stale = await api.client.post(address, json={"revision": 1})
    done = await api.client.post(address, json={"revision": 2})
    again = await api.client.post(address, json={"revision": 3})

    assert refused(stale, 409, "superseded")["current"]["now"]["description"] == "My words."
    ticket = done.json()
    assert (ticket["title"], ticket["description"]) == ("Ticket 1", "# About 1\n\nText\n")
    assert (ticket["assignee"], ticket["revision"], ticket["is_edited"]) == ("mia", 3, False)
    assert ticket["notes"] == ["Doubtful."], "the sheets are not ahead of it any more"
    assert again.json() == ticket
    assert await review.content_revision() == 2


async def test_what_was_generated_has_to_be_known_to_go_back_to_it(api: Api) -> None:
    review = await in_review(api, 1)
    await review.set("t1", generated_title="", generated_description="")

    reverted = await api.client.post(review.address("t1", "revert"), json={"revision": 1})
    compared = await api.client.get(review.address("t1", "diff"))

    for answer in (reverted, compared):
        problem = refused(answer, 409, "generated_text_unknown")
        assert "regenerate" in problem["recovery_actions"][0]


async def test_a_difference_is_told_in_lines_and_in_parts(api: Api) -> None:
    review = await in_review(api, 1)
    same = await review.read("t1", "diff")
    await review.edit("t1", title="Mine", description="# About 1\n\nMore\ntext\n")

    diff = await review.read("t1", "diff")

    assert (same["is_edited"], same["unified"], same["description"]["hunks"]) == (False, [], [])
    assert diff["title"] == {"generated": "Ticket 1", "now": "Mine", "differs": True}
    assert diff["unified"] == [
        "--- generated",
        "+++ now",
        "@@ -1,4 +1,5 @@",
        " # About 1",
        " ",
        "-Text",
        "+More",
        "+text",
        " ",
    ]
    [hunk] = diff["description"]["hunks"]
    assert [line["kind"] for line in hunk["lines"]] == [
        "same",
        "same",
        "removed",
        "added",
        "added",
        "same",
    ]
    assert (diff["description"]["removed"], diff["description"]["added"]) == (1, 2)
    assert (diff["description"]["exact"], diff["description"]["left_out"]) == (True, 0)


async def test_texts_of_a_megabyte_are_compared_even_if_they_were_shuffled(api: Api) -> None:
    review = await in_review(api, 1)
    lines = [f"| row {number:>6} | some more text to fill it up |" for number in range(24_000)]
    await review.set(
        "t1", generated_description="\n".join(lines), description="\n".join(lines[::-1])
    )

    diff = await review.read("t1", "diff")

    assert diff["description"]["exact"] is False
    assert (diff["description"]["removed"], diff["description"]["added"]) == (24_000, 24_000)
    assert diff["description"]["left_out"] == 28_000
    assert diff["unified"][-1] == "\\ 28,000 more lines are not shown"
