from __future__ import annotations

import secrets

from tests.plugins.export.jira_stub.site import served
from ticketgen_export.jira_stub import ALL_PERMISSIONS, SPRINT_FIELD, ExtraField, JiraStub

META = "/rest/api/3/issue/createmeta/DEMO/issuetypes"


async def test_a_project_tells_its_issue_types_and_they_are_creatable() -> None:
    async with served() as site:
        project = (await site.http.get("/rest/api/3/project/DEMO")).json()
        first = (await site.http.get(META, params={"maxResults": 3})).json()
        rest = (await site.http.get(META, params={"startAt": 3})).json()

        types = [kind["name"] for page in (first, rest) for kind in page["issueTypes"]]
        assert types == [kind["name"] for kind in project["issueTypes"]]
        assert first["total"] == 4
        assert await site.key(issuetype={"id": rest["issueTypes"][0]["id"]}) == "DEMO-1"


async def test_the_fields_of_a_create_say_what_is_required() -> None:
    stub = JiraStub()
    extra = ExtraField(id="customfield_10050", name="Team", required=True)
    project = stub.add_project(
        "DEMO", required=["priority"], hidden=["labels"], extra_fields=[extra], issue_types=["Task"]
    )
    async with served(stub) as site:
        [task] = project.issue_types
        pages = [
            (await site.http.get(f"{META}/{task}", params={"startAt": start, "maxResults": 5}))
            for start in (0, 5, 10)
        ]

        fields = {one["fieldId"]: one for page in pages for one in page.json()["fields"]}
        required = {key for key, one in fields.items() if one["required"]}
        assert required == {"summary", "issuetype", "project", "priority", "customfield_10050"}
        assert "labels" not in fields
        assert fields[SPRINT_FIELD]["schema"]["custom"].endswith("gh-sprint")


async def test_what_is_not_there_has_no_fields() -> None:
    async with served() as site:
        answers = [
            await site.http.get(f"{META}/4711"),
            await site.http.get(META.replace("DEMO", "NONE")),
            await site.http.get(META, params={"startAt": "first"}),
        ]

        assert [answer.status_code for answer in answers] == [400, 404, 400]


async def test_permissions_are_told_of_the_account_in_the_project() -> None:
    async with served() as site:
        site.stub.add_account(
            site.account.email,
            site.account.token,
            "Ada",
            in_projects={"DEMO": ALL_PERMISSIONS - {"LINK_ISSUES"}},
        )
        url = "/rest/api/3/mypermissions"
        asked = "CREATE_ISSUES,LINK_ISSUES"

        here = await site.http.get(url, params={"permissions": asked, "projectKey": "DEMO"})
        wrong = [
            await site.http.get(url),
            await site.http.get(url, params={"permissions": "FLY"}),
            await site.http.get(url, params={"permissions": asked, "projectKey": "NONE"}),
        ]

        permissions = here.json()["permissions"]
        have = {key: one["havePermission"] for key, one in permissions.items()}
        assert have == {"CREATE_ISSUES": True, "LINK_ISSUES": False}
        assert [answer.status_code for answer in wrong] == [400, 400, 404]


async def test_people_are_found_by_the_beginning_of_a_name_or_an_address() -> None:
    async with served() as site:
        site.stub.add_account("grace@example.org", secrets.token_urlsafe(), "Grace Hopper")
        site.stub.add_account(
            "bot@example.org", secrets.token_urlsafe(), "Bot", permissions=frozenset()
        )
        url = "/rest/api/3/user/assignable/search"

        async def found(**query: str | int) -> list[str]:
            answer = await site.http.get(url, params={"project": "DEMO", **query})
            return [person["displayName"] for person in answer.json()]

        assert await found() == ["Ada Lovelace", "Grace Hopper"]
        assert await found(query="hop") == ["Grace Hopper"]
        assert await found(query="ADA@") == ["Ada Lovelace"]
        assert await found(query="opper") == []
        assert await found(query="bot") == []
        assert await found(accountId=site.account.account_id) == ["Ada Lovelace"]
        assert await found(startAt=1, maxResults=1) == ["Grace Hopper"]
        assert (await site.http.get(url)).status_code == 400


async def test_boards_and_sprints_are_listed_by_project_and_state() -> None:
    stub = JiraStub(projects=["DEMO"])
    stub.add_project("BARE", board=False)
    for state in ("active", "future", "closed"):
        stub.add_sprint("DEMO", f"Sprint {state}", state=state)
    async with served(stub) as site:
        boards = "/rest/agile/1.0/board"
        [board] = (await site.http.get(boards, params={"projectKeyOrId": "DEMO"})).json()["values"]
        bare = await site.http.get(boards, params={"projectKeyOrId": "BARE"})
        every = await site.http.get(boards)
        url = f"{boards}/{board['id']}/sprint"

        sprints = (await site.http.get(url, params={"state": "active,future"})).json()
        second = (await site.http.get(url, params={"startAt": 1, "maxResults": 1})).json()
        missing = await site.http.get(f"{boards}/4711/sprint")

        assert bare.json()["values"] == []
        assert len(every.json()["values"]) == 1
        assert [one["state"] for one in sprints["values"]] == ["active", "future"]
        assert (second["values"][0]["state"], second["isLast"]) == ("future", False)
        assert missing.status_code == 404
        closed = stub.site.projects["DEMO"].sprints[2].id
        assert "active or a future" in (await site.errors(**{SPRINT_FIELD: closed}))[SPRINT_FIELD]


async def test_the_rest_is_told_too() -> None:
    async with served() as site:
        priorities = await site.http.get("/rest/api/3/priority")
        info = await site.http.get("/rest/api/3/serverInfo")
        myself = await site.http.get("/rest/api/3/myself")
        nowhere = await site.http.get("/rest/api/3/dashboard")

        assert priorities.json()[0]["name"] == "Highest"
        assert info.json()["deploymentType"] == "Cloud"
        assert myself.json()["accountId"] == site.account.account_id
        assert nowhere.status_code == 404
