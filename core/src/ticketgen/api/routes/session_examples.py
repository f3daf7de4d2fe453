"""What the answers about a whole session look like: the examples of their description."""

from __future__ import annotations

from typing import Any, Final

from ticketgen.api import examples

__all__ = [
    "COUNTS",
    "DELETION",
    "ELSEWHERE",
    "FAILURE_GROUP",
    "NEXT_STEP",
    "READINESS",
    "READINESS_SUMMARY",
    "RECOVERABLE",
    "RETRYING",
    "ROLLBACK",
    "ROLLBACK_DONE",
    "ROWS_OF_PLUGIN",
    "RUN_AT_WORK",
    "STOPPING",
    "UNREADY_REASON",
]

Example = dict[str, Any]

_SESSION: Final = examples.SESSION["id"]
_RUN: Final = examples.RUN["task_id"]

COUNTS: Final[Example] = {
    "files": 11,
    "file_bytes": 90_214,
    "tickets": 312,
    "edited_tickets": 4,
    "validated": False,
}

RUN_AT_WORK: Final[Example] = {
    "task_id": _RUN,
    "task_type": "adf_validation",
    "state": "running",
    "progress_percentage": 38.0,
    "current_stage": "Checking tickets",
    "created_at": "2026-03-02T09:24:00Z",
}

NEXT_STEP: Final[Example] = {
    "title": "Convert every ticket to ADF and check it.",
    "method": "POST",
    "path": f"/api/adf_validation/start/{_SESSION}",
}

RECOVERABLE: Final[Example] = {
    "id": _SESSION,
    "name": "Harbour Museum",
    "stage": "review",
    "last_activity": "2026-03-02T09:22:41Z",
    "expires_at": "2026-03-09T09:22:41Z",
    "counts": COUNTS,
    "active_runs": [],
    "last_failure": {**examples.FAILURE, "overcome": True},
    "next_steps": [NEXT_STEP],
}

ELSEWHERE: Final[Example] = {
    "plugin": "export",
    "operation": "send:jira:HM",
    "done": 45,
    "unknown": 0,
}

ROWS_OF_PLUGIN: Final[Example] = {"plugin": "processing", "table": "processing_texts", "rows": 312}

ROLLBACK: Final[Example] = {
    "session_id": _SESSION,
    "stage": "jira_export",
    "to": "upload",
    "tickets_deleted": 312,
    "edited_deleted": 4,
    "edited_titles": ["Content type: Event"],
    "dependencies_deleted": 540,
    "validations_deleted": 2,
    "files_deleted": [],
    "tickets_kept": 0,
    "files_kept": 11,
    "elsewhere": [ELSEWHERE],
    "exported_files": 0,
    "kept_by_plugins": [ROWS_OF_PLUGIN],
    "remarks": ["4 tickets that a person has changed are deleted, with those changes."],
    "confirm": "5f0c6d0b1d1b4a0c9a7c2f4c3e2d1b0a",
}

ROLLBACK_DONE: Final[Example] = {
    "session": {**examples.SESSION, "stage": "upload"},
    "impact": ROLLBACK,
}

STOPPING: Final[Example] = {
    "session_id": _SESSION,
    "cancelled": [],
    "stopping": [{**examples.RUN, "status": "processing", "state": "running"}],
}

DELETION: Final[Example] = {
    "session_id": _SESSION,
    "name": "Harbour Museum",
    "deleted": True,
    "counts": COUNTS,
    "elsewhere": [ELSEWHERE],
    "cancelled": [],
    "stopping": [],
    "remarks": ["What export did elsewhere (45 × send:jira:HM) stays there, and in the ledger."],
}

RETRYING: Final[Example] = {
    "task_id": _RUN,
    "task_type": "processing",
    "state": "queued",
    "tries": 2,
    "next_try_at": "2026-03-02T09:19:04Z",
}

FAILURE_GROUP: Final[Example] = {
    "code": "rate_limited",
    "error_category": "temporary",
    "count": 2,
    "blocking": 0,
    "operation_stages": ["processing"],
    "first_at": "2026-03-02T09:18:20Z",
    "last_at": "2026-03-02T09:18:51Z",
    "user_message": "The language model takes no more requests for now.",
    "recovery_actions": [],
    "retrying": [RETRYING],
}

UNREADY_REASON: Final[Example] = {
    "code": "adf_validation.stale",
    "message": "Tickets were changed after the last validation.",
    "recovery_actions": ["Start it with POST /api/adf_validation/start/{session_id}."],
    "plugin": "adf_validation",
}

READINESS_SUMMARY: Final[Example] = {
    "tickets": 312,
    "edited_tickets": 4,
    "edited_since_validation": 1,
    "oversize_tickets": 0,
    "tickets_with_notes": 17,
    "validated_at": "2026-03-02T09:20:12Z",
    "validation_passed": True,
    "failed_tickets": 0,
    "warnings": 3,
}

READINESS: Final[Example] = {
    "session_id": _SESSION,
    "ready": False,
    "reasons": [UNREADY_REASON],
    "summary": READINESS_SUMMARY,
}
