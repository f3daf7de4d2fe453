from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.plugins.export.jira_stub.site import CREATE, served, ticket, until
from ticketgen_export.jira_stub import Behaviour, Fault, FaultKind, JiraStub, preset

BULK = "POST /rest/api/3/issue/bulk"
SHORT = timedelta(seconds=0.05)
LONG = timedelta(hours=1)
NO_ANSWER = (httpx2.RemoteProtocolError, httpx2.ReadError)


def _struck(kind: FaultKind, on: str = CREATE, **options: Any) -> JiraStub:
    stub = JiraStub(projects=["DEMO"])
    stub.add_faults(Fault(kind=kind, on=on, **options))
    return stub


@pytest.mark.parametrize(
    ("kind", "created"),
    [
        (FaultKind.DROP_BEFORE, 0),
        (FaultKind.DROP_AFTER, 1),
        (FaultKind.RESET_MID_ANSWER, 1),
    ],
)
async def test_a_connection_that_breaks_gives_no_answer(kind: FaultKind, created: int) -> None:
    async with served(_struck(kind)) as site:
        with pytest.raises(NO_ANSWER):
            await site.create()

        assert len(site.stub.issues) == created
        assert await site.key() == f"DEMO-{created + 1}", "it happens once"


@pytest.mark.parametrize(
    ("kind", "status", "created"),
    [
        (FaultKind.UNAVAILABLE, 503, 0),
        (FaultKind.UNAUTHORIZED, 401, 0),
        (FaultKind.HTML_PAGE, 502, 0),
        (FaultKind.HTML_PAGE_AFTER, 200, 1),
        (FaultKind.SERVER_ERROR_AFTER, 500, 1),
        (FaultKind.TRUNCATED, 201, 1),
        (FaultKind.SLOW_BEFORE, 201, 1),
        (FaultKind.SLOW_AFTER, 201, 1),
    ],
)
async def test_an_answer_says_nothing_of_what_was_done(
    kind: FaultKind, status: int, created: int
) -> None:
    async with served(_struck(kind, after=SHORT)) as site:
        answer = await site.create()

        assert (answer.status_code, len(site.stub.issues)) == (status, created)


async def test_an_answer_that_is_cut_off_is_no_json() -> None:
    async with served(_struck(FaultKind.TRUNCATED)) as site:
        answer = await site.create()

        assert answer.headers["content-type"].startswith("application/json")
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            answer.json()


async def test_a_page_of_a_proxy_is_no_json_either() -> None:
    async with served(_struck(FaultKind.HTML_PAGE)) as site:
        answer = await site.create()

        assert answer.headers["content-type"].startswith("text/html")


async def test_a_lost_number_is_burned() -> None:
    async with served(_struck(FaultKind.LOST_NUMBER)) as site:
        answer = await site.create()

        assert answer.status_code == 500
        assert await site.key() == "DEMO-2"
        assert site.stub.state()["burned"] == {"DEMO": 1}


async def test_a_batch_that_is_lost_burns_every_number_of_it() -> None:
    async with served(_struck(FaultKind.LOST_NUMBER, BULK)) as site:
        answer = await site.http.post(
            "/rest/api/3/issue/bulk", json={"issueUpdates": [ticket(), ticket()]}
        )

        assert answer.status_code == 500
        assert site.stub.state()["burned"] == {"DEMO": 2}
        assert await site.key() == "DEMO-3"


async def test_a_late_commit_leaves_a_gap_until_it_is_there() -> None:
    now = 0.0
    stub = _struck(FaultKind.LATE_COMMIT, after=timedelta(seconds=30))
    stub.site.clock = lambda: now
    async with served(stub) as site:
        with pytest.raises(NO_ANSWER):
            await site.create("late", labels=["a"])
        second = await site.key("second")
        gap = await site.http.get("/rest/api/3/issue/DEMO-1")
        pending = [issue.key for issue in stub.pending]

        now = 30.0
        read = await site.http.get("/rest/api/3/issue/DEMO-1")

        assert (second, gap.status_code, pending) == ("DEMO-2", 404, ["DEMO-1"])
        assert read.json()["fields"]["summary"] == "late"
        assert await site.found("labels = a") == ["DEMO-1"]
        assert stub.pending == []


async def test_a_late_commit_of_a_batch_is_late_as_a_whole() -> None:
    async with served(_struck(FaultKind.LATE_COMMIT, BULK, after=LONG)) as site:
        with pytest.raises(NO_ANSWER):
            await site.http.post(
                "/rest/api/3/issue/bulk", json={"issueUpdates": [ticket(), ticket()]}
            )

        assert (len(site.stub.issues), len(site.stub.pending)) == (0, 2)


async def test_a_late_commit_of_anything_else_happens_late() -> None:
    on = "PUT /rest/api/3/issue/{issueIdOrKey}"
    async with served(_struck(FaultKind.LATE_COMMIT, on, after=SHORT)) as site:
        key = await site.key("old")
        with pytest.raises(NO_ANSWER):
            await site.http.put(f"/rest/api/3/issue/{key}", json={"fields": {"summary": "new"}})
        at_first = site.stub.issues[0].fields["summary"]

        await until(lambda: site.stub.issues[0].fields["summary"] == "new")

        assert at_first == "old"


async def test_a_storm_of_429_says_how_long_to_wait_and_then_is_over() -> None:
    stub = _struck(FaultKind.TOO_MANY_REQUESTS, "*", times=3, after=timedelta(seconds=7))
    async with served(stub) as site:
        answers = [await site.http.get("/rest/api/3/myself") for _ in range(4)]

        assert [answer.status_code for answer in answers] == [429, 429, 429, 200]
        assert answers[0].headers["Retry-After"] == "7"
        assert answers[0].headers["X-RateLimit-NearLimit"] == "true"
        assert answers[0].headers["X-RateLimit-Remaining"] == "0"


async def test_part_of_a_batch_fails() -> None:
    async with served(_struck(FaultKind.PARTIAL, BULK, elements=(0, 2))) as site:
        answer = await site.http.post(
            "/rest/api/3/issue/bulk", json={"issueUpdates": [ticket("a"), ticket("b"), ticket("c")]}
        )

        assert [error["failedElementNumber"] for error in answer.json()["errors"]] == [0, 2]
        assert [issue.fields["summary"] for issue in site.stub.issues] == ["b"]


async def test_a_fault_happens_to_the_nth_request_of_its_kind_from_then_on() -> None:
    async with served() as site:
        await site.key()
        site.stub.add_faults(Fault(kind=FaultKind.UNAVAILABLE, on=CREATE, nth=2, times=2))

        answers = [(await site.create()).status_code for _ in range(5)]
        others = await site.http.get("/rest/api/3/myself")

        assert answers == [201, 503, 503, 201, 201]
        assert others.status_code == 200
        [counted] = site.stub.state()["faults"]
        assert (counted["seen"], counted["hits"]) == (5, 2)


async def _fates(seed: int, seen_before: int = 0) -> list[int]:
    stub = JiraStub(projects=["DEMO"], seed=seed)
    async with served(stub) as site:
        for _ in range(seen_before):
            await site.http.get("/rest/api/3/myself")
        stub.add_faults(Fault(kind=FaultKind.UNAVAILABLE, on=CREATE, probability=0.5))
        return [(await site.create()).status_code for _ in range(12)]


async def test_chance_is_decided_by_the_seed_alone() -> None:
    fates = await _fates(seed=1)

    assert {*fates} == {201, 503}
    assert await _fates(seed=1, seen_before=3) == fates
    assert await _fates(seed=2) != fates


async def test_the_token_endpoint_can_fail_too() -> None:
    async with served(_struck(FaultKind.DROP_AFTER, "POST /oauth/token")) as site:
        with pytest.raises(NO_ANSWER):
            await site.http.post("/oauth/token", json={})

        assert (await site.http.post("/oauth/token", json={})).status_code == 401


async def test_the_gateway_refuses_in_its_own_form() -> None:
    async with served(_struck(FaultKind.UNAUTHORIZED, "*")) as site:
        answer = await site.http.get(f"/ex/jira/{site.stub.site.cloud_id}/rest/api/3/myself")

        assert answer.json() == {"code": 401, "message": "Unauthorized"}


def test_a_fault_that_can_never_happen_is_refused() -> None:
    with pytest.raises(ValueError, match="No such endpoint: POST /rest/api/3/issues"):
        _struck(FaultKind.UNAVAILABLE, "POST /rest/api/3/issues")


@pytest.mark.parametrize("name", ["none", "some", "hostile"])
def test_the_plans_for_a_rehearsal_fit(name: Any) -> None:
    stub = JiraStub()

    stub.add_faults(*preset(name))

    assert bool(stub.state()["faults"]) is (name != "none")


async def test_more_requests_than_a_second_may_have_are_told_to_wait() -> None:
    now = 0.0
    stub = JiraStub(projects=["DEMO"], behaviour=Behaviour(requests_per_second=5))
    stub.site.clock = lambda: now
    async with served(stub) as site:
        answers = [await site.http.get("/rest/api/3/myself") for _ in range(6)]
        now = 1.0
        later = await site.http.get("/rest/api/3/myself")

        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert "X-RateLimit-NearLimit" not in answers[0].headers
        assert answers[4].headers["X-RateLimit-NearLimit"] == "true"
        assert answers[5].headers["Retry-After"] == "1"
        assert later.status_code == 200
        assert answers[5].headers["RateLimit-Reason"] == "jira-burst-based"


async def test_a_create_that_takes_its_time_has_its_number_from_the_beginning() -> None:
    stub = JiraStub(
        projects=["DEMO"],
        behaviour=Behaviour(latency_min=timedelta(seconds=0.2), latency_max=timedelta(seconds=0.2)),
    )
    async with served(stub) as site:
        slow = asyncio.create_task(site.create("slow"))
        await until(lambda: stub.site.projects["DEMO"].last_number == 1)
        during = len(stub.issues)
        stub.behaviour = Behaviour()
        quick = await site.key("quick")

        assert (during, quick) == (0, "DEMO-2")
        assert (await slow).json()["key"] == "DEMO-1"


async def test_a_client_that_gives_up_changes_nothing() -> None:
    stub = _struck(FaultKind.SLOW_BEFORE, after=timedelta(seconds=0.2))
    async with served(stub) as site:
        with pytest.raises(httpx2.ReadTimeout):
            await site.http.post("/rest/api/3/issue", json=ticket(), timeout=0.05)

        await until(lambda: bool(stub.issues))

        assert [issue.key for issue in stub.issues] == ["DEMO-1"]
