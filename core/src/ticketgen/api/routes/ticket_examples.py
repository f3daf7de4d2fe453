"""What the answers about changes of tickets look like: the examples of their description."""

from __future__ import annotations

from typing import Any, Final

from ticketgen.api import examples

__all__ = [
    "ASSIGNED",
    "ASSIGNMENT_BY_FILTER",
    "ASSIGNMENT_BY_ID",
    "CHOSEN",
    "DEPENDENCY_ADDED",
    "DESCRIPTION_DIFF",
    "DIFF",
    "DIFF_LINE",
    "HISTORY_ENTRY",
    "HUNK",
    "LINK",
    "MOVED",
    "TITLE_DIFF",
]

Example = dict[str, Any]

_TICKET: Final = examples.TICKET

LINK: Final[Example] = _TICKET["depends_on"][0]

CHOSEN: Final[Example] = {"group": "Content types", "assignee": "", "q": "event"}

ASSIGNMENT_BY_ID: Final[Example] = {
    "ticket_ids": [_TICKET["id"], LINK["id"]],
    "assignee": "mia",
    "sprint": "Sprint 4",
}

ASSIGNMENT_BY_FILTER: Final[Example] = {"filter": CHOSEN, "assignee": "mia"}

ASSIGNED: Final[Example] = {"matched": 2, "changed": 1}

MOVED: Final[Example] = {
    "id": LINK["id"],
    "key": LINK["key"],
    "title": LINK["title"],
    "before": 7,
    "after": 2,
}

DEPENDENCY_ADDED: Final[Example] = {
    "ticket": {
        **_TICKET,
        "position": 3,
        "depends_on": [{**LINK, "position": 2, "by_person": True}],
    },
    "added": True,
    "moved": [MOVED],
}

DIFF_LINE: Final[Example] = {"kind": "added", "text": "As an editor I want to publish events."}

HUNK: Final[Example] = {
    "old_start": 1,
    "old_count": 1,
    "new_start": 1,
    "new_count": 1,
    "lines": [
        {"kind": "removed", "text": "As an editor I want the content type Event."},
        DIFF_LINE,
    ],
}

TITLE_DIFF: Final[Example] = {
    "generated": "Content type: Event",
    "now": "Event calendar",
    "differs": True,
}

DESCRIPTION_DIFF: Final[Example] = {
    "differs": True,
    "removed": 1,
    "added": 1,
    "exact": True,
    "left_out": 0,
    "hunks": [HUNK],
}

DIFF: Final[Example] = {
    "ticket_id": _TICKET["id"],
    "key": _TICKET["key"],
    "revision": 2,
    "is_edited": True,
    "title": TITLE_DIFF,
    "description": DESCRIPTION_DIFF,
    "unified": [
        "--- generated",
        "+++ now",
        "@@ -1 +1 @@",
        "-As an editor I want the content type Event.",
        "+As an editor I want to publish events.",
    ],
}

HISTORY_ENTRY: Final[Example] = {
    "id": "019ac0de-0000-7000-8000-000000000008",
    "at": "2026-03-02T09:22:41Z",
    "actor_id": examples.ME["id"],
    "actor": examples.ME["name"],
    "action": "ticket.edited",
    "subject": _TICKET["key"],
    "details": {
        "fields": ["title"],
        "before": {"title": "Content type: Event"},
        "after": {"title": "Event calendar"},
        "revision": 2,
    },
}
