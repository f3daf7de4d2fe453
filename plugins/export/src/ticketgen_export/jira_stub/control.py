"""`/_stub/…`: what the stand-in shows of itself, and how it is set over HTTP."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ticketgen_export.jira_stub.answers import answer
from ticketgen_export.jira_stub.behaviour import Behaviour
from ticketgen_export.jira_stub.exchange import Log
from ticketgen_export.jira_stub.faults import Fault, FaultPlan
from ticketgen_export.jira_stub.nouns import Issue, Link
from ticketgen_export.jira_stub.oauth import OAuth
from ticketgen_export.jira_stub.shapes import timestamp
from ticketgen_export.jira_stub.site import Site

__all__ = ["Control", "state_of"]

_FAULTS = TypeAdapter(list[Fault])


class Control:
    """The ASGI application of `/_stub/…`; it is never limited and nothing of it goes wrong."""

    def __init__(self, *, site: Site, oauth: OAuth, plan: FaultPlan, log: Log) -> None:
        self._site = site
        self._oauth = oauth
        self._plan = plan
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False)
            response = answer({"problems": json.loads(json.dumps(problems, default=str))}, 422)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        asked = f"{request.method} {request.url.path.removeprefix('/_stub')}"
        if asked == "GET /state":
            return answer(state_of(self._site, self._plan, self._log))
        if asked == "PUT /behaviour":
            self._site.behaviour = Behaviour.model_validate_json(await request.body())
        elif asked == "PATCH /behaviour":
            changed = Behaviour.model_validate_json(await request.body())
            changes = {name: getattr(changed, name) for name in changed.model_fields_set}
            self._site.behaviour = self._site.behaviour.model_copy(update=changes)
        elif asked == "POST /faults":
            self._plan.add(_FAULTS.validate_json(await request.body()))
        elif asked == "DELETE /faults":
            self._plan.clear()
        elif asked == "POST /reset":
            self._site.clear()
            self._plan.clear()
            self._log.clear()
        elif asked == "POST /expire-access-tokens":
            self._oauth.expire_access_tokens()
        elif asked == "POST /revoke-grants":
            self._oauth.revoke_grants()
        elif request.method == "DELETE" and request.url.path.startswith("/_stub/projects/"):
            return self._delete_project(request.url.path.rpartition("/")[2])
        else:
            return answer({"problems": [f"There is no {asked}."]}, 404)
        return answer({"behaviour": self._site.behaviour.model_dump(mode="json")})

    def _delete_project(self, key: str) -> Response:
        if self._site.project(key) is None:
            return answer({"problems": [f"There is no project {key}."]}, 404)
        self._site.delete_project(key)
        return answer({})


def state_of(site: Site, plan: FaultPlan, log: Log) -> dict[str, Any]:
    """Everything the site holds and has counted; tokens and secrets are not in it."""
    answers: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (template, status), count in sorted(log.answers.items(), key=str):
        answers[template]["dropped" if status is None else str(status)] = count
    keys = {issue.id: issue.key for issue in (*site.issues, *site.pending)}
    return {
        "cloud_id": site.cloud_id,
        "behaviour": site.behaviour.model_dump(mode="json"),
        "projects": [
            {"key": one.key, "id": one.id, "last_number": one.last_number, "deleted": one.deleted}
            for one in site.projects.values()
        ],
        "issues": [_issue(issue) for issue in site.issues],
        "pending": [_issue(issue) for issue in site.pending],
        "deleted": list(site.deleted_keys),
        "burned": dict(site.burned),
        "links": [_link(link, keys) for link in site.links],
        "link_requests": [_link(link, keys) for link in site.link_requests],
        "requests": dict(log.requests),
        "answers": dict(answers),
        "faults": plan.counts(),
        "log": log.summary(),
    }


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "id": issue.id,
        "key": issue.key,
        "project": issue.project,
        "created": timestamp(issue.created),
        "fields": issue.fields,
        "labels": issue.fields.get("labels", []),
        "properties": issue.properties,
        "attachments": [
            {key: value for key, value in asdict(one).items() if key != "created"}
            for one in issue.attachments
        ],
    }


def _link(link: Link, keys: dict[str, str]) -> dict[str, str]:
    """Keys of issues that are gone are their ids."""
    return {
        "type": link.type.name,
        "source": keys.get(link.source, link.source),
        "target": keys.get(link.target, link.target),
    }
