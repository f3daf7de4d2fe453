"""The stand-in as a value: its state, its ASGI application, and what a test may do to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from ticketgen.provides import AdfCheck
from ticketgen_export.jira_stub.behaviour import Behaviour
from ticketgen_export.jira_stub.control import Control, state_of
from ticketgen_export.jira_stub.exchange import Log
from ticketgen_export.jira_stub.faults import Fault, FaultPlan
from ticketgen_export.jira_stub.front import TEMPLATES, Front
from ticketgen_export.jira_stub.nouns import (
    ALL_PERMISSIONS,
    Account,
    ExtraField,
    Issue,
    Link,
    Project,
    Sprint,
)
from ticketgen_export.jira_stub.oauth import Client, OAuth
from ticketgen_export.jira_stub.site import Site

__all__ = ["JiraStub"]


class JiraStub:
    """A Jira site in memory; serve `app` with `serving_stub`."""

    def __init__(
        self,
        *,
        behaviour: Behaviour | None = None,
        checks: Iterable[AdfCheck] = (),
        projects: Iterable[str] = (),
        seed: int = 0,
    ) -> None:
        self.site = Site(behaviour=behaviour or Behaviour(), checks=checks, seed=seed)
        self.oauth = OAuth(self.site)
        self.plan = FaultPlan(seed, TEMPLATES)
        self.log = Log()
        self._front = Front(site=self.site, oauth=self.oauth, plan=self.plan, log=self.log)
        self._control = Control(site=self.site, oauth=self.oauth, plan=self.plan, log=self.log)
        for key in projects:
            self.add_project(key)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: Jira, Atlassian's OAuth, and `/_stub/…`."""
        if scope["type"] != "http":
            return
        is_control = scope["path"].startswith("/_stub/")
        await (self._control if is_control else self._front)(scope, receive, send)

    # -- what there is -----------------------------------------------------------------------

    def add_account(
        self,
        email: str,
        token: str,
        name: str,
        *,
        permissions: frozenset[str] = ALL_PERMISSIONS,
        in_projects: Mapping[str, frozenset[str]] | None = None,
    ) -> Account:
        """A person with an API token; the same e-mail again changes the person."""
        return self.site.add_account(
            email, token, name, permissions=permissions, in_projects=in_projects or {}
        )

    def add_project(
        self,
        key: str,
        *,
        name: str | None = None,
        issue_types: Iterable[str] | None = None,
        required: Iterable[str] = (),
        hidden: Iterable[str] = (),
        extra_fields: Iterable[ExtraField] = (),
        board: bool = True,
    ) -> Project:
        """A project; `required` and `hidden` name usual fields, `priority` for instance."""
        return self.site.add_project(
            key,
            name=name,
            issue_types=issue_types,
            required=required,
            hidden=hidden,
            extra_fields=extra_fields,
            board=board,
        )

    def add_sprint(self, project: str, name: str, *, state: str = "future") -> Sprint:
        """A sprint on the board of the project of that key."""
        return self.site.add_sprint(self.site.projects[project], name, state)

    def delete_project(self, key: str) -> None:
        """Take the project away, with its issues."""
        self.site.delete_project(key)

    def declare_property(self, key: str) -> None:
        """Let search find issues by that property, as an app's manifest would."""
        self.site.searchable_properties.add(key)

    def register_client(self, *redirect_uris: str) -> Client:
        """An OAuth app with an id and a secret."""
        return self.oauth.register(*redirect_uris)

    def consent_as(self, email: str) -> None:
        """Let this account be the one who consents; else it is the first that was added."""
        self.oauth.consenting = email

    # -- how it behaves ----------------------------------------------------------------------

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now; set another value to change it."""
        return self.site.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self.site.behaviour = behaviour

    def add_faults(self, *faults: Fault) -> None:
        """Let these go wrong; each counts requests from now on.

        Raises:
            ValueError: one is to happen to requests that are never answered here.
        """
        self.plan.add(faults)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self.plan.clear()

    def reset(self) -> None:
        """Forget issues, links, faults and the log; accounts, projects and clients stay."""
        self.site.clear()
        self.plan.clear()
        self.log.clear()

    # -- what came of it ---------------------------------------------------------------------

    @property
    def issues(self) -> list[Issue]:
        """The committed issues, by the order of their creation."""
        return self.site.issues

    @property
    def pending(self) -> list[Issue]:
        """Issues that have a number and are committed later."""
        return self.site.pending

    @property
    def links(self) -> list[Link]:
        """The links there are."""
        return self.site.links

    @property
    def link_requests(self) -> list[Link]:
        """Every link that was asked for and accepted, also one that was there already."""
        return self.site.link_requests

    @property
    def requests(self) -> Counter[str]:
        """How many requests there were, by method and path: `POST /rest/api/3/issue`."""
        return self.log.requests

    def state(self) -> dict[str, Any]:
        """Everything, as `GET /_stub/state` shows it."""
        return state_of(self.site, self.plan, self.log)
