from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest

from tests.plugins.export.jira_stub.site import paragraph, served, ticket
from ticketgen import Finding, Severity
from ticketgen.provides import AdfCheck
from ticketgen_export.jira_stub import ALL_PERMISSIONS, SPRINT_FIELD, ExtraField, JiraStub


async def test_a_created_issue_is_read_back_as_it_was_sent() -> None:
    async with served() as site:
        sprint = site.stub.add_sprint("DEMO", "Sprint 1", state="active")
        body = ticket(
            "Content type: Article",
            labels=["b", "a", "b"],
            description=paragraph("As an editor …"),
            assignee={"accountId": site.account.account_id},
            priority={"name": "High"},
            **{SPRINT_FIELD: sprint.id},
        )
        body["properties"] = [{"key": "ticketgen", "value": {"key": "bundles:article"}}]

        created = await site.http.post("/rest/api/3/issue", json=body)
        read = await site.http.get(
            f"/rest/api/3/issue/{created.json()['key']}", params={"properties": "ticketgen"}
        )

        fields = read.json()["fields"]
        assert created.json()["key"] == "DEMO-1"
        assert fields["summary"] == "Content type: Article"
        assert fields["labels"] == ["a", "b"], "sorted, each once"
        assert fields["description"] == paragraph("As an editor …")
        assert fields["assignee"]["accountId"] == site.account.account_id
        assert fields["priority"]["name"] == "High"
        assert fields[SPRINT_FIELD][0]["name"] == "Sprint 1"
        assert read.json()["properties"] == {"ticketgen": {"key": "bundles:article"}}


async def test_only_the_fields_asked_for_are_answered() -> None:
    async with served() as site:
        key = await site.key(labels=["a"])

        some = await site.http.get(f"/rest/api/3/issue/{key}", params={"fields": "labels,summary"})
        most = await site.http.get(f"/rest/api/3/issue/{key.lower()}", params={"fields": "-labels"})

        assert set(some.json()["fields"]) == {"labels", "summary"}
        assert "properties" not in some.json()
        assert "summary" in most.json()["fields"]
        assert "labels" not in most.json()["fields"]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"summary": ""}, "summary", "must specify a summary"),
        ({"summary": "x" * 256}, "summary", "255"),
        ({"summary": "two\nlines"}, "summary", "newline"),
        ({"project": {"key": "NONE"}}, "project", "valid project"),
        ({"issuetype": {"name": "Poem"}}, "issuetype", "issue type"),
        ({"issuetype": {}}, "issuetype", "issue type"),
        ({"assignee": {"accountId": "nobody"}}, "assignee", "valid value"),
        ({"priority": {"name": "Urgent-ish"}}, "priority", "invalid"),
        ({"labels": ["two words"]}, "labels", "contains spaces"),
        ({"labels": "one"}, "labels", "array of strings"),
        ({"description": "plain text"}, "description", "Atlassian Document"),
        ({"description": {"type": "doc"}}, "description", "Atlassian Document"),
        ({SPRINT_FIELD: 4711}, SPRINT_FIELD, "does not exist"),
        ({SPRINT_FIELD: "Sprint 1"}, SPRINT_FIELD, "Number value"),
        ({"customfield_99": "x"}, "customfield_99", "cannot be set"),
        ({"attachment": []}, "attachment", "cannot be set"),
    ],
)
async def test_a_wrong_field_is_named_and_costs_no_number(
    fields: dict[str, Any], field: str, message: str
) -> None:
    async with served() as site:
        errors = await site.errors(**fields)

        assert list(errors) == [field]
        assert message in errors[field]
        assert await site.key() == "DEMO-1"


async def test_every_wrong_field_is_named_at_once() -> None:
    async with served() as site:
        errors = await site.errors(summary="", labels=["a b"], priority={"id": "9"})

        assert set(errors) == {"summary", "labels", "priority"}


async def test_what_is_missing_is_named() -> None:
    async with served() as site:
        nothing = await site.http.post("/rest/api/3/issue", json={"fields": {}})
        little = await site.http.post(
            "/rest/api/3/issue", json={"fields": {"project": {"key": "DEMO"}}}
        )

        assert set(nothing.json()["errors"]) == {"project"}
        assert set(little.json()["errors"]) == {"summary", "issuetype"}


async def test_a_project_may_require_and_hide_fields() -> None:
    stub = JiraStub()
    team = ExtraField(
        id="customfield_10050", name="Team", type="option", options=("Red", "Blue"), required=True
    )
    stub.add_project("DEMO", required=["priority"], hidden=["labels"], extra_fields=[team])
    async with served(stub) as site:
        errors = await site.errors(labels=["a"])
        wrong = await site.errors(priority={"id": "1"}, customfield_10050={"value": "Green"})
        key = await site.key(priority={"id": "1"}, customfield_10050={"value": "Red"})

        assert errors["priority"] == "Priority is required."
        assert errors["customfield_10050"] == "Team is required."
        assert "cannot be set" in errors["labels"]
        assert list(wrong) == ["customfield_10050"]
        assert key == "DEMO-1"


async def test_a_description_that_is_too_long_burns_a_number() -> None:
    async with served() as site:
        first = await site.key(description=paragraph("x" * 32_000))
        errors = await site.errors(description=paragraph("x" * 32_768))
        second = await site.key()

        assert "32,767" in errors["description"]
        assert (first, second) == ("DEMO-1", "DEMO-3")
        assert site.stub.state()["burned"] == {"DEMO": 1}


async def test_a_description_is_judged_by_the_checks_that_were_given() -> None:
    def check(document: Any) -> list[Finding]:
        texts = str(document)
        found = [("poetry.rhyme", Severity.ERROR)] if "orange" in texts else []
        found += [("poetry.too_long", Severity.ERROR)] if "ballad" in texts else []
        found += [("poetry.metre", Severity.WARNING)] if "prose" in texts else []
        return [
            Finding(severity=severity, rule=rule, message="No.", remedy="Rhyme.", path="/content/0")
            for rule, severity in found
        ]

    async with served(checks=[AdfCheck(name="poetry", summary="P.", check=check)]) as site:
        wrong = await site.create(description=paragraph("orange"))
        long = await site.errors(description=paragraph("a ballad"))
        key = await site.key(description=paragraph("prose"))

        assert wrong.json()["errorMessages"] == ["INVALID_INPUT"]
        assert "poetry.rhyme at /content/0" in wrong.json()["errors"]["description"]
        assert "too long" in long["description"]
        assert key == "DEMO-2", "what is too long has burned a number, what is wrong has not"


async def test_a_batch_creates_what_it_can_and_tells_what_it_could_not() -> None:
    async with served() as site:
        batch = [ticket("one"), ticket(""), ticket("three"), {"fields": {}}]

        answer = await site.http.post("/rest/api/3/issue/bulk", json={"issueUpdates": batch})

        assert answer.status_code == 201
        assert [issue["key"] for issue in answer.json()["issues"]] == ["DEMO-1", "DEMO-2"]
        assert [error["failedElementNumber"] for error in answer.json()["errors"]] == [1, 3]
        assert "summary" in answer.json()["errors"][0]["elementErrors"]["errors"]


@pytest.mark.parametrize("batch", [[], [ticket("")], [ticket()] * 51])
async def test_a_batch_of_which_nothing_comes_is_refused(batch: list[Any]) -> None:
    async with served() as site:
        answer = await site.http.post("/rest/api/3/issue/bulk", json={"issueUpdates": batch})

        assert answer.status_code == 400
        assert site.stub.issues == []


async def test_fifty_at_once_are_created() -> None:
    async with served() as site:
        answer = await site.http.post(
            "/rest/api/3/issue/bulk", json={"issueUpdates": [ticket()] * 50}
        )

        assert answer.status_code == 201
        assert len(site.stub.issues) == 50


async def test_an_edit_changes_what_it_names_or_nothing() -> None:
    async with served() as site:
        key = await site.key(labels=["a"])
        url = f"/rest/api/3/issue/{key}"

        set_ = await site.http.put(url, json={"fields": {"summary": "New", "labels": ["b"]}})
        add = await site.http.put(url, json={"update": {"labels": [{"add": "c"}, {"remove": "b"}]}})
        bad = await site.http.put(url, json={"fields": {"summary": "Newer", "labels": ["x y"]}})

        assert (set_.status_code, add.status_code, bad.status_code) == (204, 204, 400)
        fields = site.stub.issues[0].fields
        assert (fields["summary"], fields["labels"]) == ("New", ["c"])


async def test_a_deleted_issue_is_gone_and_its_number_is_used() -> None:
    async with served() as site:
        key = await site.key()

        deleted = await site.http.delete(f"/rest/api/3/issue/{key}")
        read = await site.http.get(f"/rest/api/3/issue/{key}")

        assert (deleted.status_code, read.status_code) == (204, 404)
        assert await site.key() == "DEMO-2"
        assert site.stub.state()["deleted"] == ["DEMO-1"]


async def test_a_property_is_written_read_listed_and_deleted() -> None:
    async with served() as site:
        url = f"/rest/api/3/issue/{await site.key()}/properties"

        written = [await site.http.put(f"{url}/acme", json=value) for value in ({"a": 1}, [2])]
        read = await site.http.get(f"{url}/acme")
        listed = await site.http.get(url)
        deleted = [await site.http.delete(f"{url}/acme") for _ in range(2)]
        missing = await site.http.get(f"{url}/acme")

        assert [answer.status_code for answer in written] == [201, 200]
        assert read.json() == {"key": "acme", "value": [2]}
        assert [key["key"] for key in listed.json()["keys"]] == ["acme"]
        assert [answer.status_code for answer in deleted] == [204, 404]
        assert missing.status_code == 404


async def test_numbers_are_given_out_in_the_order_of_arrival() -> None:
    async with served() as site:
        keys = await asyncio.gather(*(site.key(str(number)) for number in range(20)))

        assert sorted(keys, key=lambda key: int(key[5:])) == [f"DEMO-{n}" for n in range(1, 21)]


async def test_a_deleted_project_is_nowhere() -> None:
    async with served() as site:
        key = await site.key()

        site.stub.delete_project("DEMO")

        assert (await site.http.get("/rest/api/3/project/DEMO")).status_code == 404
        assert (await site.http.get(f"/rest/api/3/issue/{key}")).status_code == 404
        assert list(await site.errors()) == ["project"]


async def test_nobody_does_what_they_may_not() -> None:
    async with served() as site:
        key = await site.key()
        token = secrets.token_urlsafe()
        site.stub.add_account(
            "eve@example.org",
            token,
            "Eve",
            permissions=ALL_PERMISSIONS - {"CREATE_ISSUES", "EDIT_ISSUES", "ASSIGNABLE_USER"},
            in_projects={"SECRET": frozenset()},
        )
        site.stub.add_project("SECRET")
        as_eve = ("eve@example.org", token)

        create = await site.http.post("/rest/api/3/issue", json=ticket(), auth=as_eve)
        edit = await site.http.put(f"/rest/api/3/issue/{key}", json={"fields": {}}, auth=as_eve)
        read = await site.http.get(f"/rest/api/3/issue/{key}", auth=as_eve)
        secret = await site.http.get("/rest/api/3/project/SECRET", auth=as_eve)
        eve = next(one for one in site.stub.site.accounts.values() if one.name == "Eve")
        errors = await site.errors(assignee={"accountId": eve.account_id})

        assert (create.status_code, edit.status_code) == (403, 403)
        assert read.status_code == 200
        assert secret.status_code == 404
        assert "cannot be assigned" in errors["assignee"]


@pytest.mark.parametrize(
    "auth", [None, ("ada@example.org", "wrong"), ("nobody@example.org", "x"), ("", "")]
)
async def test_who_is_not_known_is_not_let_in(auth: tuple[str, str] | None) -> None:
    async with served() as site:
        answer = await site.http.get("/rest/api/3/myself", auth=auth)

        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b'{"fields": []}', 400),
        ("text/plain", b"{}", 415),
    ],
)
async def test_a_body_that_is_none_is_refused(content_type: str, body: bytes, status: int) -> None:
    async with served() as site:
        answer = await site.http.post(
            "/rest/api/3/issue", content=body, headers={"Content-Type": content_type}
        )

        assert answer.status_code == status


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/rest/api/3/issue", {"fields": {"project": []}}),
        ("POST", "/rest/api/3/issue", ticket(assignee=3)),
        ("POST", "/rest/api/3/issue", {**ticket(), "properties": {"key": 1}}),
        ("POST", "/rest/api/3/issue", {**ticket(), "properties": [{"key": "a"}]}),
        ("POST", "/rest/api/3/issue/bulk", {"issueUpdates": [None, 3, "x"]}),
        ("PUT", "/rest/api/3/issue/DEMO-1", {"update": {"labels": {"add": "x"}}}),
        ("PUT", "/rest/api/3/issue/DEMO-1", {"update": {"summary": [{"set": "x"}]}}),
        ("PUT", "/rest/api/3/issue/DEMO-1/properties/a", None),
        ("POST", "/rest/api/3/issueLink", {"type": "Blocks", "inwardIssue": []}),
        ("POST", "/rest/api/3/search/jql", {"jql": "project = DEMO", "fields": "summary"}),
        ("GET", "/rest/agile/1.0/board?maxResults=²", None),
    ],
)
async def test_nonsense_is_refused_and_breaks_nothing(method: str, path: str, body: Any) -> None:
    async with served() as site:
        await site.key()

        answer = await site.http.request(method, path, json=body)

        assert answer.status_code in {400, 404, 415}
        assert len(site.stub.issues) == 1


async def test_an_attachment_that_is_no_form_is_refused() -> None:
    async with served() as site:
        key = await site.key()
        headers = {
            "X-Atlassian-Token": "no-check",
            "Content-Type": "multipart/form-data; boundary=x",
        }

        answer = await site.http.post(
            f"/rest/api/3/issue/{key}/attachments", content=b"{}", headers=headers
        )

        assert answer.status_code == 400
