"""A site of Jira, a person connected to it, and sessions on their way to it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.plugins import journeys
from ticketgen.domain.task_runs import TaskRun
from ticketgen.testing import Api, drain
from ticketgen_export.jira_stub import Behaviour, Fault, FaultKind, Issue, JiraStub

EMAIL = "mia@example.org"
PROJECT = "HM"
CREATE = "POST /rest/api/3/issue"
BULK = "POST /rest/api/3/issue/bulk"
LINK = "POST /rest/api/3/issueLink"
ATTACH = "POST /rest/api/3/issue/{issueIdOrKey}/attachments"


@dataclass(kw_only=True)
class Place:
    """The stand-in at its address."""

    stub: JiraStub
    url: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def fault(self, kind: FaultKind, on: str, nth: int, **more: Any) -> None:
        self.stub.add_faults(Fault(kind=kind, on=on, nth=nth, **more))

    def behave(self, **changes: Any) -> None:
        self.stub.behaviour = Behaviour(**changes)

    @property
    def titles(self) -> list[str]:
        return [str(issue.fields["summary"]) for issue in self.stub.issues]

    @property
    def links(self) -> set[tuple[str, str]]:
        """Who blocks whom, by titles."""
        title = {issue.id: str(issue.fields["summary"]) for issue in self.stub.issues}
        return {(title[link.source], title[link.target]) for link in self.stub.link_requests}

    def issue_of(self, title: str) -> Issue:
        [found] = [issue for issue in self.stub.issues if issue.fields["summary"] == title]
        return found


async def connect(api: Api, place: Place) -> str:
    answer = await api.client.post(
        "/api/export/connections",
        json={"site_url": place.url, "email": EMAIL, "token": place.token},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def ready(
    api: Api, place: Place, files: Mapping[str, bytes] = journeys.SHEETS, project: str = PROJECT
) -> str:
    """A validated session of somebody who is connected."""
    await connect(api, place)
    session_id = await journeys.generated(api, files, jira_project_key=project)
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]
    return session_id


async def start(api: Api, session_id: str, **options: Any) -> UUID:
    started = await journeys.start(api, "export", session_id, target="jira", options=options)
    assert started.status_code == 202, started.text
    return UUID(started.json()["task_id"])


async def export(api: Api, session_id: str, **options: Any) -> dict[str, Any]:
    """Export to the end; the run as the API shows it."""
    await start(api, session_id, **options)
    await settled(api)
    return await journeys.latest_run(api, "export", session_id)


async def settled(api: Api) -> list[TaskRun]:
    """Run until nothing is queued."""
    last: list[TaskRun] = []
    while runs := await drain(api.runtime):
        last = runs
    return last
