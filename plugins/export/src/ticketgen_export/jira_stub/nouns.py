"""What a Jira site holds: accounts, projects, issues, links, boards, sprints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = [
    "ALL_PERMISSIONS",
    "LINK_TYPES",
    "PRIORITIES",
    "SPRINT_FIELD",
    "Account",
    "Attachment",
    "ExtraField",
    "Issue",
    "Link",
    "LinkType",
    "Project",
    "Sprint",
    "Version",
]

SPRINT_FIELD = "customfield_10020"
"""Where a site keeps an issue's sprint, as new sites of Jira Cloud have it."""

ALL_PERMISSIONS = frozenset(
    {
        "ASSIGNABLE_USER",
        "ASSIGN_ISSUES",
        "BROWSE_PROJECTS",
        "CREATE_ATTACHMENTS",
        "CREATE_ISSUES",
        "DELETE_ISSUES",
        "EDIT_ISSUES",
        "LINK_ISSUES",
        "MANAGE_SPRINTS_PERMISSION",
        "SCHEDULE_ISSUES",
    }
)
"""The permissions in a project that the stand-in knows."""

PRIORITIES = {"1": "Highest", "2": "High", "3": "Medium", "4": "Low", "5": "Lowest"}


@dataclass(frozen=True, kw_only=True)
class LinkType:
    """A kind of link, with the words for its two ends."""

    id: str
    name: str
    inward: str
    outward: str


LINK_TYPES = (
    LinkType(id="10000", name="Blocks", inward="is blocked by", outward="blocks"),
    LinkType(id="10001", name="Cloners", inward="is cloned by", outward="clones"),
    LinkType(id="10002", name="Duplicate", inward="is duplicated by", outward="duplicates"),
    LinkType(id="10003", name="Relates", inward="relates to", outward="relates to"),
)


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person of the site, who may do the same in every project that says nothing else."""

    account_id: str
    email: str
    token: str = field(repr=False)
    name: str
    permissions: frozenset[str] = ALL_PERMISSIONS
    in_projects: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Permissions in single projects, by key."""

    def may(self, permission: str, project: str | None = None) -> bool:
        """Whether it has the permission in the project of that key."""
        return permission in self.in_projects.get(project or "", self.permissions)


@dataclass(frozen=True, kw_only=True)
class ExtraField:
    """A field that a project has beside the usual ones."""

    id: str
    name: str
    type: str = "string"
    """`string`, `number` or `option`."""
    required: bool = False
    options: tuple[str, ...] = ()
    """What an `option` may be."""


@dataclass(frozen=True, kw_only=True)
class Sprint:
    """A sprint of a project's board."""

    id: int
    name: str
    state: str
    """`active`, `future` or `closed`."""
    board_id: int


@dataclass(kw_only=True)
class Project:
    """A project, and the number its next issue gets."""

    id: str
    key: str
    name: str
    issue_types: Mapping[str, str]
    """Id to name."""
    extra_fields: tuple[ExtraField, ...] = ()
    required: frozenset[str] = frozenset()
    """Usual fields that this project requires, `priority` for instance."""
    hidden: frozenset[str] = frozenset()
    """Usual fields that are on no screen of this project."""
    board_id: int | None
    sprints: list[Sprint] = field(default_factory=list)
    last_number: int = 0
    deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file of an issue: what identifies its bytes, not the bytes."""

    id: str
    filename: str
    size: int
    sha256: str
    media_type: str
    author: str
    created: datetime


@dataclass(frozen=True, kw_only=True)
class Version:
    """What search sees of an issue from a moment on."""

    searchable_at: float
    fields: Mapping[str, Any]
    properties: Mapping[str, Any]


@dataclass(kw_only=True)
class Issue:
    """An issue; one whose `commits_at` lies ahead is not there yet for anybody."""

    id: str
    key: str
    project: str
    number: int
    fields: dict[str, Any]
    """Summary, description, labels and the like, as they were sent and normalised."""
    properties: dict[str, Any]
    creator: str
    created: datetime
    commits_at: float
    attachments: list[Attachment] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Link:
    """`source` has the outward words: with type Blocks it blocks `target`."""

    id: str
    type: LinkType
    source: str
    """Id of the issue that the request called `inwardIssue`."""
    target: str
    """Id of the issue that the request called `outwardIssue`."""
