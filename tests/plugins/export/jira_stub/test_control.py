from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import Any

import pytest

from tests.plugins.export.jira_stub.site import CREATE, served, ticket
from ticketgen_export.jira_stub import Behaviour, FaultKind, JiraStub

FAULTS = "/_stub/faults"


async def test_the_state_shows_what_came_of_it_and_nothing_secret() -> None:
    async with served() as site:
        client = site.stub.register_client("http://127.0.0.1/")
        one, two = await site.key("one", labels=["tg"]), await site.key("two")
        link = {"inwardIssue": {"key": one}, "outwardIssue": {"key": two}, "type": {"id": "10000"}}
        for _ in range(2):
            await site.http.post("/rest/api/3/issueLink", json=link)
        await site.http.post(
            f"/rest/api/3/issue/{one}/attachments",
            files={"file": ("a.csv", b"a")},
            headers={"X-Atlassian-Token": "no-check"},
        )
        await site.create("")

        answer = await site.http.get("/_stub/state", auth=None)

        state = answer.json()
        assert [issue["key"] for issue in state["issues"]] == [one, two]
        assert state["issues"][0]["labels"] == ["tg"]
        assert state["issues"][0]["attachments"][0]["size"] == 1
        assert state["links"] == [{"type": "Blocks", "source": one, "target": two}]
        assert len(state["link_requests"]) == 2
        assert state["requests"][CREATE] == 3
        assert state["answers"][CREATE] == {"201": 2, "400": 1}
        assert state["log"][0]["template"] == CREATE
        assert state == json.loads(json.dumps(site.stub.state()))
        assert site.account.token not in answer.text
        assert client.secret not in answer.text
        assert "log" not in (await site.http.get("/_stub/state?log=no")).json()


async def test_a_dropped_request_is_counted_as_dropped() -> None:
    async with served() as site:
        fault = [{"kind": "drop_after", "on": CREATE}]
        await site.http.post(FAULTS, json=fault)

        with pytest.raises(Exception, match="disconnected"):
            await site.create()

        assert site.stub.state()["answers"][CREATE] == {"dropped": 1}
        assert site.stub.log.records[0].fault is FaultKind.DROP_AFTER


async def test_the_behaviour_is_set_and_changed_over_http() -> None:
    async with served() as site:
        set_ = await site.http.put("/_stub/behaviour", json={"index_lag": 2.5})
        await site.http.patch("/_stub/behaviour", json={"requests_per_second": 9})

        assert set_.json()["behaviour"]["index_lag"] == 2.5
        assert site.stub.behaviour == Behaviour(
            index_lag=timedelta(seconds=2.5), requests_per_second=9
        )


async def test_faults_are_planned_and_lifted_over_http() -> None:
    async with served() as site:
        planned = [{"kind": "unavailable", "on": "*", "times": 1000}]
        await site.http.post(FAULTS, json=planned)
        struck = await site.create()

        await site.http.delete(FAULTS)

        assert struck.status_code == 503
        assert (await site.create()).status_code == 201


async def test_accounts_and_projects_are_added_over_http() -> None:
    async with served() as site:
        token = secrets.token_urlsafe()
        account = {"email": "eve@example.org", "token": token, "name": "Eve"}
        project = {"key": "NEW", "required": ["priority"], "sprints": ["Sprint 1"]}
        await site.http.post("/_stub/accounts", json=account)
        await site.http.post("/_stub/projects", json=project)

        body = ticket(project={"key": "NEW"})
        created = await site.http.post(
            "/rest/api/3/issue", json=body, auth=("eve@example.org", token)
        )
        await site.http.post("/_stub/delete-project", json={"key": "NEW"})
        gone = await site.http.get("/rest/api/3/project/NEW")

        assert created.json()["errors"] == {"priority": "Priority is required."}
        assert [sprint.name for sprint in site.stub.site.projects["NEW"].sprints] == ["Sprint 1"]
        assert gone.status_code == 404


async def test_a_reset_forgets_what_came_and_keeps_what_there_is() -> None:
    async with served() as site:
        await site.key()
        await site.http.post(FAULTS, json=[{"kind": "unavailable"}])

        await site.http.post("/_stub/reset")

        state = site.stub.state()
        assert (state["issues"], state["faults"], state["log"]) == ([], [], [])
        assert await site.key() == "DEMO-1"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/_stub/behaviour", {"index_lag": -1}, 422),
        ("PUT", "/_stub/behaviour", {"lag": 1}, 422),
        ("POST", FAULTS, [{"kind": "earthquake"}], 422),
        ("POST", FAULTS, [{"kind": "unavailable", "on": "GET /nowhere"}], 422),
        ("POST", FAULTS, {"kind": "unavailable"}, 422),
        ("POST", "/_stub/delete-project", {"key": "NONE"}, 422),
        ("GET", "/_stub/nothing", None, 404),
    ],
)
async def test_what_cannot_be_set_says_so(method: str, path: str, body: Any, status: int) -> None:
    async with served() as site:
        answer = await site.http.request(method, path, json=body)

        assert answer.status_code == status
        assert answer.json()["problems"]


def test_the_same_seed_makes_the_same_site() -> None:
    def made(seed: int) -> tuple[str, str]:
        stub = JiraStub(seed=seed)
        account = stub.add_account("ada@example.org", secrets.token_urlsafe(), "Ada")
        return stub.site.cloud_id, account.account_id

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_a_token_is_in_no_representation() -> None:
    stub = JiraStub()
    token = secrets.token_urlsafe()

    account = stub.add_account("ada@example.org", token, "Ada")
    client = stub.register_client("http://127.0.0.1/")

    assert token not in repr(account)
    assert client.secret not in repr(client)
