from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.plugins.export.jira_stub.site import SEARCH, served, ticket
from ticketgen_export.jira_stub import Behaviour, JiraStub
from ticketgen_export.jira_stub.jql import Found, InvalidJqlError, parse_jql

LONG = timedelta(hours=1)


def _found(number: int = 1, labels: tuple[str, ...] = (), **fields: Any) -> Found:
    return Found(
        id=str(10_000 + number),
        key=f"DEMO-{number}",
        project="DEMO",
        number=number,
        created=f"2026-03-{number:02d}T00:00:00.000+0000",
        fields={
            "summary": "Content type: Article",
            "issuetype": {"id": "1", "name": "Task"},
            "labels": list(labels),
            **fields,
        },
        properties={"ticketgen": {"key": "bundles:article", "tags": ["x", "y"]}},
    )


@pytest.mark.parametrize(
    ("jql", "matches"),
    [
        ("project = DEMO", True),
        ("project = demo", True),
        ("project = OTHER", False),
        ('project = DEMO AND labels = "tg-1"', True),
        ("labels = 'tg-1' and labels = tg-2", True),
        ("labels = tg-3 OR labels = tg-2", True),
        ("labels = tg-3 OR labels = tg-4", False),
        ("labels in (tg-9, 'tg-1')", True),
        ("labels not in (tg-9, tg-8)", True),
        ("labels != tg-1", False),
        ("NOT labels = tg-1", False),
        ("labels is EMPTY", False),
        ("labels is not EMPTY", True),
        ("assignee is empty", True),
        ("assignee != nobody", False),
        ("key = DEMO-1", True),
        ("id = 10001", True),
        ("issuekey in (DEMO-2, DEMO-3)", False),
        ("issuetype = task", True),
        ('summary ~ "article"', True),
        ('created >= "2026-03-01"', True),
        ('created < "2026-03-01"', False),
        ('created <= "2026/03/01 00:00"', True),
        ("project = OTHER OR (labels = tg-1 AND NOT key = DEMO-2)", True),
        ('issue.property[ticketgen].key = "bundles:article"', True),
        ("issue.property[ticketgen].tags = y", True),
        ("issue.property[ticketgen].nothing = y", False),
    ],
)
def test_a_query_matches(jql: str, matches: bool) -> None:
    query = parse_jql(jql, frozenset({"ticketgen"}))

    assert query.matches(_found(labels=("tg-1", "tg-2"))) is matches


@pytest.mark.parametrize(
    "jql",
    [
        "",
        "ORDER BY created",
        "colour = red",
        "project DEMO",
        "project =",
        "project = DEMO AND",
        "(project = DEMO",
        "project = DEMO)",
        "labels in tg-1",
        "project = DEMO ORDER BY colour",
        "project = DEMO ORDER created",
        "project === DEMO",
        'labels = "open',
        "issue.property[secret].key = 1",
        "created >= -1d",
    ],
)
def test_what_is_no_query_is_refused(jql: str) -> None:
    with pytest.raises(InvalidJqlError):
        parse_jql(jql, frozenset({"ticketgen"}))


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        ("", [10, 9, 2]),
        ("ORDER BY key", [2, 9, 10]),
        ("order by key DESC", [10, 9, 2]),
        ("ORDER BY created ASC", [2, 9, 10]),
        ("ORDER BY summary, key desc", [10, 9, 2]),
    ],
)
def test_what_is_found_has_the_order_asked_for(order: str, numbers: list[int]) -> None:
    query = parse_jql(f"project = DEMO {order}")

    ordered = query.sort([_found(number) for number in (9, 10, 2)])

    assert [one.number for one in ordered] == numbers


async def test_search_finds_by_label_and_names_no_more_than_asked_for() -> None:
    async with served() as site:
        await site.key(labels=["tg-1"])
        await site.key(labels=["tg-2"])

        plain = await site.http.get(SEARCH, params={"jql": "labels = tg-1"})

        assert await site.found("project = DEMO AND labels = tg-2") == ["DEMO-2"]
        assert plain.json() == {"issues": [{"id": plain.json()["issues"][0]["id"]}], "isLast": True}


async def test_pages_lead_to_every_issue_once() -> None:
    async with served() as site:
        batch = {"issueUpdates": [ticket()] * 7}
        await site.http.post("/rest/api/3/issue/bulk", json=batch)
        body: dict[str, Any] = {"jql": "project = DEMO ORDER BY key", "maxResults": 3}
        body["fields"] = ["summary"]
        pages = []

        while True:
            page = (await site.http.post(SEARCH, json=body)).json()
            pages.append([issue["key"][5:] for issue in page["issues"]])
            if page["isLast"]:
                break
            body["nextPageToken"] = page["nextPageToken"]

        assert pages == [["1", "2", "3"], ["4", "5", "6"], ["7"]]


@pytest.mark.parametrize(
    "body",
    [
        {"jql": "project = NONE"},
        {"jql": "key = DEMO-99"},
        {"jql": "key = "},
        {"jql": "project = DEMO", "nextPageToken": "rubbish"},
        {"jql": "project = DEMO", "nextPageToken": "cnViYmlzaA=="},
        {"jql": "project = DEMO", "reconcileIssues": list(range(51))},
        {"jql": "project = DEMO", "maxResults": "many"},
    ],
)
async def test_a_search_that_cannot_be_done_is_refused(body: dict[str, Any]) -> None:
    async with served() as site:
        answer = await site.http.post(SEARCH, json=body)

        assert answer.status_code == 400


async def test_search_lags_behind_what_direct_reads_see() -> None:
    stub = JiraStub(projects=["DEMO"], behaviour=Behaviour(index_lag=LONG))
    stub.declare_property("ticketgen")
    async with served(stub) as site:
        body = ticket(labels=["tg-1"])
        body["properties"] = [{"key": "ticketgen", "value": {"key": "a"}}]
        created = (await site.http.post("/rest/api/3/issue", json=body)).json()

        read = await site.http.get(f"/rest/api/3/issue/{created['key']}")
        reconciled = await site.http.post(
            SEARCH, json={"jql": "labels = tg-1", "reconcileIssues": [int(created["id"])]}
        )

        assert read.status_code == 200
        assert await site.found("project = DEMO") == []
        assert await site.found("labels = tg-1") == []
        assert await site.found("issue.property[ticketgen].key = a") == []
        assert [issue["id"] for issue in reconciled.json()["issues"]] == [created["id"]]


async def test_search_knows_an_edited_issue_as_it_was_until_the_lag_has_passed() -> None:
    async with served() as site:
        key = await site.key(labels=["old"])
        site.stub.behaviour = Behaviour(index_lag=LONG)

        await site.http.put(f"/rest/api/3/issue/{key}", json={"fields": {"labels": ["new"]}})

        assert await site.found("labels = old") == [key]
        assert await site.found("labels = new") == []


async def test_a_lag_that_has_passed_is_over() -> None:
    now = 0.0
    stub = JiraStub(projects=["DEMO"], behaviour=Behaviour(index_lag=timedelta(seconds=5)))
    stub.site.clock = lambda: now
    async with served(stub) as site:
        key = await site.key(labels=["a"])
        before = await site.found("labels = a")

        now = 5.0

        assert (before, await site.found("labels = a")) == ([], [key])
