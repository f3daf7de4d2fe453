"""The state of the site, in memory: what is there, what is still to come, and what was counted."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from ticketgen.provides import AdfCheck
from ticketgen_export.jira_stub.behaviour import Behaviour
from ticketgen_export.jira_stub.nouns import (
    Account,
    Attachment,
    ExtraField,
    Issue,
    Link,
    LinkType,
    Project,
    Sprint,
    Version,
)

__all__ = ["Site"]

_ISSUE_TYPES = ("Task", "Story", "Bug", "Epic")


class Site:
    """Accounts, projects, issues and links, and every change to them."""

    def __init__(
        self,
        *,
        behaviour: Behaviour,
        checks: Iterable[AdfCheck],
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.behaviour = behaviour
        self.checks = tuple(checks)
        self.seed = seed
        self.clock = clock
        self.random = random.Random(seed)  # noqa: S311 - no secret is drawn
        self.cloud_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        self.accounts: dict[str, Account] = {}
        self.projects: dict[str, Project] = {}
        self.searchable_properties: set[str] = set()
        self._next_id = 10_000
        self.clear()

    def clear(self) -> None:
        """Forget issues, links and counts; accounts, projects and sprints stay."""
        self._issues: dict[str, Issue] = {}
        self._ids: dict[str, str] = {}
        self.links: list[Link] = []
        self.link_requests: list[Link] = []
        self.burned: Counter[str] = Counter()
        self.deleted_keys: list[str] = []
        for project in self.projects.values():
            project.last_number = 0

    def next_id(self) -> str:
        """An id that nothing else of the site has."""
        self._next_id += 1
        return str(self._next_id)

    # -- accounts and projects ---------------------------------------------------------------

    def add_account(
        self,
        email: str,
        token: str,
        name: str,
        *,
        permissions: frozenset[str],
        in_projects: Mapping[str, frozenset[str]],
    ) -> Account:
        """A person with an API token; the same e-mail again replaces the person's token."""
        known = self.accounts.get(email.casefold())
        account = Account(
            account_id=known.account_id if known else f"{self.random.getrandbits(96):024x}",
            email=email,
            token=token,
            name=name,
            permissions=permissions,
            in_projects=in_projects,
        )
        self.accounts[email.casefold()] = account
        return account

    def account(self, account_id: str) -> Account | None:
        """The person of that id."""
        found = (one for one in self.accounts.values() if one.account_id == account_id)
        return next(found, None)

    def add_project(
        self,
        key: str,
        *,
        name: str | None,
        issue_types: Iterable[str] | None,
        required: Iterable[str],
        hidden: Iterable[str],
        extra_fields: Iterable[ExtraField],
        board: bool,
    ) -> Project:
        """A project with its issue types and, if asked for, a scrum board."""
        project = Project(
            id=self.next_id(),
            key=key,
            name=name or f"Project {key}",
            issue_types={self.next_id(): word for word in issue_types or _ISSUE_TYPES},
            extra_fields=tuple(extra_fields),
            required=frozenset(required),
            hidden=frozenset(hidden),
            board_id=int(self.next_id()) if board else None,
        )
        self.projects[key] = project
        return project

    def add_sprint(self, project: Project, name: str, state: str) -> Sprint:
        """A sprint of the project's board.

        Raises:
            ValueError: the project has no board.
        """
        if project.board_id is None:
            raise ValueError(f"The project {project.key} has no board.")
        sprint = Sprint(id=int(self.next_id()), name=name, state=state, board_id=project.board_id)
        project.sprints.append(sprint)
        return sprint

    def delete_project(self, key: str) -> None:
        """Take the project away, with its issues and their links."""
        self.projects[key].deleted = True
        for issue in [one for one in self._issues.values() if one.project == key]:
            self._forget(issue)

    def project(self, id_or_key: str) -> Project | None:
        """The project of that id or key, unless it was deleted."""
        for project in self.projects.values():
            if not project.deleted and id_or_key.upper() in (project.id, project.key.upper()):
                return project
        return None

    # -- issues ------------------------------------------------------------------------------

    @property
    def issues(self) -> list[Issue]:
        """Those that are committed, by the order of their creation."""
        now = self.clock()
        return [issue for issue in self._issues.values() if issue.commits_at <= now]

    @property
    def pending(self) -> list[Issue]:
        """Those that have a number and are still to be committed."""
        now = self.clock()
        return [issue for issue in self._issues.values() if issue.commits_at > now]

    def issue(self, id_or_key: str) -> Issue | None:
        """The committed issue of that id or key."""
        found = self._issues.get(self._ids.get(id_or_key.upper(), id_or_key))
        return found if found is not None and found.commits_at <= self.clock() else None

    def allocate(self, project: Project) -> int:
        """The next number of the project, which nobody gets again."""
        project.last_number += 1
        return project.last_number

    def burn(self, project: Project) -> None:
        """Count a number that was allocated and will never be an issue."""
        self.burned[project.key] += 1

    def create(
        self,
        project: Project,
        number: int,
        fields: Mapping[str, Any],
        properties: Mapping[str, Any],
        creator: Account,
        *,
        commits_in: timedelta = timedelta(0),
    ) -> Issue:
        """Store the issue; it is there for everybody when `commits_in` has passed."""
        issue = Issue(
            id=self.next_id(),
            key=f"{project.key}-{number}",
            project=project.key,
            number=number,
            fields=dict(fields),
            properties=dict(properties),
            creator=creator.account_id,
            created=datetime.now(UTC) + commits_in,
            commits_at=self.clock() + commits_in.total_seconds(),
        )
        self._issues[issue.id] = issue
        self._ids[issue.key.upper()] = issue.id
        self.index(issue)
        return issue

    def index(self, issue: Issue) -> None:
        """Let search see the issue as it is now, when the lag has passed."""
        since = max(self.clock(), issue.commits_at)
        issue.versions.append(
            Version(
                searchable_at=since + self.behaviour.index_lag.total_seconds(),
                fields=deepcopy(issue.fields),
                properties=deepcopy(issue.properties),
            )
        )

    def indexed(self, issue: Issue) -> Version | None:
        """What search knows of the issue; None before it knows anything."""
        now = self.clock()
        known = [version for version in issue.versions if version.searchable_at <= now]
        return known[-1] if known else None

    def delete(self, issue: Issue) -> None:
        """Take the issue away, with its links; its number stays used."""
        self.deleted_keys.append(issue.key)
        self._forget(issue)

    def attach(self, issue: Issue, attachment: Attachment) -> None:
        """Add a file; the same name twice gives two."""
        issue.attachments.append(attachment)

    # -- links -------------------------------------------------------------------------------

    def link(self, kind: LinkType, source: Issue, target: Issue) -> None:
        """Link the two; a link that is there already is not made again, as in Jira."""
        asked = Link(id=self.next_id(), type=kind, source=source.id, target=target.id)
        self.link_requests.append(asked)
        for known in self.links:
            if (known.type, known.source, known.target) == (kind, source.id, target.id):
                return
        self.links.append(asked)

    def links_of(self, issue: Issue) -> list[Link]:
        """The links that begin or end at the issue."""
        return [link for link in self.links if issue.id in (link.source, link.target)]

    def _forget(self, issue: Issue) -> None:
        self._issues.pop(issue.id, None)
        self._ids.pop(issue.key.upper(), None)
        self.links = [one for one in self.links if issue.id not in (one.source, one.target)]
