"""`/_stub/…`: what the stand-in shows of itself, and how it is set over HTTP."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ticketgen_export.jira_stub.answers import answer
from ticketgen_export.jira_stub.behaviour import Behaviour
from ticketgen_export.jira_stub.exchange import Log
from ticketgen_export.jira_stub.faults import Fault, FaultPlan
from ticketgen_export.jira_stub.nouns import ALL_PERMISSIONS, Issue, Link
from ticketgen_export.jira_stub.oauth import OAuth
from ticketgen_export.jira_stub.shapes import timestamp
from ticketgen_export.jira_stub.site import Site

__all__ = ["Control", "state_of"]

_FAULTS = TypeAdapter(list[Fault])


class _Named(BaseModel):
    """A project that is there."""

    model_config = ConfigDict(extra="forbid")

    key: str


class _NewProject(_Named):
    """A project, with its sprints that are to come."""

    name: str | None = None
    issue_types: list[str] | None = None
    required: list[str] = []
    hidden: list[str] = []
    board: bool = True
    sprints: list[str] = []


class _NewAccount(BaseModel):
    """A person with an API token."""

    model_config = ConfigDict(extra="forbid")

    email: str
    token: str
    name: str
    permissions: frozenset[str] = ALL_PERMISSIONS
    in_projects: dict[str, frozenset[str]] = {}


class Control:
    """The ASGI application of `/_stub/…`; it is never limited and nothing of it goes wrong."""

    def __init__(self, *, site: Site, oauth: OAuth, plan: FaultPlan, log: Log) -> None:
        self._site = site
        self._plan = plan
        self._log = log
        self._actions: Mapping[str, Callable[[bytes], Any]] = {
            "PUT /_stub/behaviour": self._set_behaviour,
            "PATCH /_stub/behaviour": self._change_behaviour,
            "POST /_stub/faults": lambda body: plan.add(_FAULTS.validate_json(body)),
            "DELETE /_stub/faults": lambda _: plan.clear(),
            "POST /_stub/reset": lambda _: self._reset(),
            "POST /_stub/accounts": self._add_account,
            "POST /_stub/projects": self._add_project,
            "POST /_stub/delete-project": self._delete_project,
            "POST /_stub/expire-access-tokens": lambda _: oauth.expire_access_tokens(),
            "POST /_stub/revoke-grants": lambda _: oauth.revoke_grants(),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        response = self._answer(request, await request.body())
        await response(scope, receive, send)

    def _answer(self, request: Request, body: bytes) -> Response:
        asked = f"{request.method} {request.url.path}"
        if asked == "GET /_stub/state":
            state = state_of(self._site, self._plan, self._log)
            if request.query_params.get("log") == "no":
                del state["log"]
            return answer(state)
        if asked == "GET /_stub/faults":
            return answer(self._plan.counts())
        if asked not in self._actions:
            return answer({"problems": [f"There is no {asked}."]}, 404)
        try:
            self._actions[asked](body)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            return answer({"problems": problems}, 422)
        except ValueError as error:
            return answer({"problems": [str(error)]}, 422)
        return answer({"behaviour": self._site.behaviour.model_dump(mode="json")})

    def _set_behaviour(self, body: bytes) -> None:
        self._site.behaviour = Behaviour.model_validate_json(body)

    def _change_behaviour(self, body: bytes) -> None:
        changed = Behaviour.model_validate_json(body)
        changes = {name: getattr(changed, name) for name in changed.model_fields_set}
        self._site.behaviour = self._site.behaviour.model_copy(update=changes)

    def _reset(self) -> None:
        self._site.clear()
        self._plan.clear()
        self._log.clear()

    def _add_account(self, body: bytes) -> None:
        account = _NewAccount.model_validate_json(body)
        self._site.add_account(
            account.email,
            account.token,
            account.name,
            permissions=account.permissions,
            in_projects=account.in_projects,
        )

    def _add_project(self, body: bytes) -> None:
        asked = _NewProject.model_validate_json(body)
        project = self._site.add_project(
            asked.key,
            name=asked.name,
            issue_types=asked.issue_types,
            required=asked.required,
            hidden=asked.hidden,
            extra_fields=(),
            board=asked.board,
        )
        for sprint in asked.sprints:
            self._site.add_sprint(project, sprint, "future")

    def _delete_project(self, body: bytes) -> None:
        key = _Named.model_validate_json(body).key
        if self._site.project(key) is None:
            raise ValueError(f"There is no project {key}.")
        self._site.delete_project(key)


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
