from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.plugins.export.jira_stub.site import CREATE, Served, served
from ticketgen_export.jira_stub import Behaviour

_FETCH = "/rest/api/3/issue/bulkfetch"


async def _fetched(site: Served, **question: Any) -> httpx2.Response:
    return await site.http.post(_FETCH, json=question)


async def test_many_issues_are_read_at_once_as_they_are_and_not_as_the_index_knows_them() -> None:
    async with served() as site:
        site.stub.behaviour = Behaviour(index_lag=timedelta(hours=1))
        one, two = await site.key("one", labels=["tg"]), await site.key("two")

        answer = await _fetched(
            site, issueIdsOrKeys=[two, "HM-999", one], fields=["labels"], properties=["ticketgen"]
        )

        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert [issue["key"] for issue in body["issues"]] == [one, two]
        assert body["issues"][0]["fields"] == {"labels": ["tg"]}
        assert body["issues"][0]["properties"] == {}
        assert body["issueErrors"] == []


@pytest.mark.parametrize("number", [0, 101])
async def test_none_and_more_than_a_hundred_are_refused(number: int) -> None:
    async with served() as site:
        answer = await _fetched(site, issueIdsOrKeys=[f"HM-{each}" for each in range(number)])

        assert answer.status_code == 400


async def test_faults_tell_how_often_they_happened_and_to_whom() -> None:
    async with served() as site:
        await site.http.post("/_stub/faults", json=[{"kind": "unavailable", "on": CREATE}])

        await site.create()

        [count] = (await site.http.get("/_stub/faults", auth=None)).json()
        assert (count["seen"], count["hits"]) == (1, 1)
        assert count["peer"].startswith("127.0.0.1:")
