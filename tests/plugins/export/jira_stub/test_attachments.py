from __future__ import annotations

import hashlib
from typing import Any

import httpx2
import pytest

from tests.plugins.export.jira_stub.site import Served, served
from ticketgen_export.jira_stub import ALL_PERMISSIONS, Behaviour, JiraStub

NO_CHECK = {"X-Atlassian-Token": "no-check"}


async def _attach(site: Served, key: str, content: bytes, **options: Any) -> httpx2.Response:
    return await site.http.post(
        f"/rest/api/3/issue/{key}/attachments",
        files={"file": ("table.csv", content, "text/csv")},
        **({"headers": NO_CHECK} | options),
    )


async def _link(site: Served, source: str, target: str, name: str = "Blocks") -> httpx2.Response:
    return await site.http.post(
        "/rest/api/3/issueLink",
        json={
            "type": {"name": name},
            "inwardIssue": {"key": source},
            "outwardIssue": {"key": target},
        },
    )


async def test_a_file_is_kept_by_name_size_and_hash_and_the_same_twice_is_two() -> None:
    async with served() as site:
        key = await site.key()

        first, second = [await _attach(site, key, b"a,b\n1,2\n") for _ in range(2)]
        read = await site.http.get(f"/rest/api/3/issue/{key}", params={"fields": "attachment"})

        assert first.json()[0]["filename"] == "table.csv"
        assert first.json()[0]["size"] == 8
        assert first.json()[0]["id"] != second.json()[0]["id"]
        assert len(read.json()["fields"]["attachment"]) == 2
        kept = site.stub.issues[0].attachments
        assert {one.sha256 for one in kept} == {hashlib.sha256(b"a,b\n1,2\n").hexdigest()}


async def test_a_file_is_refused_without_the_header_over_the_limit_and_for_no_issue() -> None:
    stub = JiraStub(projects=["DEMO"], behaviour=Behaviour(attachment_limit=8))
    async with served(stub) as site:
        key = await site.key()

        answers = [
            await _attach(site, key, b"x", headers={}),
            await _attach(site, key, b"x" * 9),
            await _attach(site, "DEMO-99", b"x"),
            await _attach(site, key, b"x" * 8),
        ]

        assert [answer.status_code for answer in answers] == [403, 413, 404, 200]
        assert len(site.stub.issues[0].attachments) == 1


async def test_a_link_reads_from_both_ends() -> None:
    async with served() as site:
        schema, page = await site.key("Fields"), await site.key("View")

        linked = await _link(site, schema, page)
        ends = [
            (await site.http.get(f"/rest/api/3/issue/{key}")).json()["fields"]["issuelinks"]
            for key in (schema, page)
        ]

        assert (linked.status_code, linked.content) == (201, b"")
        assert ends[0][0]["outwardIssue"]["key"] == page, "the fields block the view"
        assert ends[1][0]["inwardIssue"]["key"] == schema
        assert ends[0][0]["type"]["outward"] == "blocks"


async def test_a_link_that_is_there_is_accepted_and_not_made_again() -> None:
    async with served() as site:
        one, two = await site.key(), await site.key()

        answers = [await _link(site, one, two) for _ in range(3)]
        await _link(site, two, one)
        await _link(site, one, two, "Relates")

        assert [answer.status_code for answer in answers] == [201, 201, 201]
        assert len(site.stub.links) == 3
        assert len(site.stub.link_requests) == 5


@pytest.mark.parametrize(
    ("source", "target", "name", "status"),
    [
        ("DEMO-1", "DEMO-99", "Blocks", 404),
        ("DEMO-1", "DEMO-2", "Admires", 404),
        ("DEMO-1", "DEMO-1", "Blocks", 400),
        ("", "DEMO-1", "Blocks", 400),
    ],
)
async def test_a_link_to_nowhere_is_refused(
    source: str, target: str, name: str, status: int
) -> None:
    async with served() as site:
        await site.key()
        await site.key()

        answer = await _link(site, source, target, name)

        assert answer.status_code == status
        assert site.stub.link_requests == []


async def test_links_go_with_their_issues() -> None:
    async with served() as site:
        one, two = await site.key(), await site.key()
        await _link(site, one, two)

        await site.http.delete(f"/rest/api/3/issue/{one}")

        assert site.stub.links == []
        assert site.stub.state()["link_requests"][0]["target"] == two


async def test_files_and_links_need_their_permissions() -> None:
    async with served() as site:
        one, two = await site.key(), await site.key()
        site.stub.add_account(
            site.account.email,
            site.account.token,
            "Ada",
            permissions=ALL_PERMISSIONS - {"LINK_ISSUES", "CREATE_ATTACHMENTS"},
        )

        answers = [await _link(site, one, two), await _attach(site, one, b"x")]

        assert [answer.status_code for answer in answers] == [403, 403]


async def test_the_kinds_of_links_are_listed() -> None:
    async with served() as site:
        answer = await site.http.get("/rest/api/3/issueLinkType")

        names = [kind["name"] for kind in answer.json()["issueLinkTypes"]]
        assert names == ["Blocks", "Cloners", "Duplicate", "Relates"]
