"""What the answers of the API look like for one museum's site: the examples of its description."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "ANY_WORKER",
    "ATTEMPT",
    "CHANGED_UPLOAD",
    "FAILURE",
    "HEALTH",
    "ME",
    "NEXT_FIRE",
    "PLUGIN",
    "PLUGIN_PROBLEM",
    "READINESS",
    "READINESS_CHECK",
    "RUN",
    "SCHEDULE",
    "SCHEDULE_FIRE",
    "SESSION",
    "STREAM_PASS",
    "TASK_STATUS",
    "TICKET",
    "TICKET_LIST",
    "TICKET_SUMMARY",
    "UPLOAD",
    "UPLOAD_CHANGE",
    "UPLOAD_RESULT",
    "WORKER",
]

Example = dict[str, Any]

_SESSION_ID: Final = "019ac0de-0000-7000-8000-000000000000"
_RUN_ID: Final = "019ac0de-0000-7000-8000-000000000001"
_USER_ID: Final = "019ac0de-0000-7000-8000-000000000002"
_UPLOAD_ID: Final = "019ac0de-0000-7000-8000-000000000003"
_VOCABULARY_ID: Final = "019ac0de-0000-7000-8000-000000000004"
_TICKET_ID: Final = "019ac0de-0000-7000-8000-000000000005"
_FAILURE_ID: Final = "019ac0de-0000-7000-8000-000000000006"
_WORKER_ID: Final = "019ac0de-0000-7000-8000-000000000007"

ME: Final[Example] = {"id": _USER_ID, "name": "mia", "role": "member"}

SESSION: Final[Example] = {
    "id": _SESSION_ID,
    "owner_id": _USER_ID,
    "name": "Harbour Museum",
    "description": "A maritime museum with exhibitions and a collection.",
    "jira_project_key": "HM",
    "writer": "template",
    "stage": "review",
    "content_revision": 3,
    "created_at": "2026-03-02T09:15:00Z",
    "updated_at": "2026-03-02T09:22:41Z",
}

FAILURE: Final[Example] = {
    "id": _FAILURE_ID,
    "task_id": _RUN_ID,
    "attempt": 1,
    "error_category": "user_fixable",
    "severity": "blocking",
    "operation_stage": "processing",
    "code": "processing.no_uploads",
    "user_message": "The session has no files to generate tickets from.",
    "recovery_actions": ["Upload at least one specification sheet and start again."],
    "created_at": "2026-03-02T09:16:05Z",
}

UPLOAD: Final[Example] = {
    "id": _UPLOAD_ID,
    "file_name": "Bundles.csv",
    "workbook": None,
    "csv_type": "bundles",
    "confidence": 0.98,
    "detected_by": "file name and header",
    "encoding": "utf-8",
    "row_count": 24,
    "size": 3182,
    "sha256": "9f2c41d07be6a5830c1d94ee27f3b86a50d18c7e43fa962b0e75d1c8a4936bf2",
    "created_at": "2026-03-02T09:17:30Z",
}

UPLOAD_CHANGE: Final[Example] = {"csv_type": "bundles"}

CHANGED_UPLOAD: Final[Example] = {
    "upload": {**UPLOAD, "confidence": 1.0, "detected_by": "chosen"},
    "findings": [],
}

UPLOAD_RESULT: Final[Example] = {
    "uploads": [UPLOAD],
    "findings": [
        {
            "severity": "warning",
            "rule": "processing.machine_name",
            "message": "“event type” is unusual for a machine name; Drupal may refuse it.",
            "remedy": "Use lower case letters, digits and underscores, beginning with a letter.",
            "file": "Bundles.csv",
            "row": 7,
            "column": "Machine name",
            "value": "event type",
        }
    ],
}

TICKET_SUMMARY: Final[Example] = {
    "id": _TICKET_ID,
    "key": "bundles:content-type:event",
    "csv_type": "bundles",
    "entity_group": "Content types",
    "position": 2,
    "title": "Content type: Event",
    "assignee": "mia",
    "sprint": "Sprint 4",
    "revision": 2,
    "edited_at": "2026-03-02T09:22:41Z",
    "is_edited": True,
    "oversize": False,
    "notes_count": 1,
    "depends_on_count": 1,
}

TICKET: Final[Example] = {
    **TICKET_SUMMARY,
    "description": "As an editor I want the content type Event, so that visitors find what is on.",
    "hint": None,
    "writer": "template",
    "sources": [{"file": "Bundles.csv", "rows": [7]}],
    "notes": ["“event type” is unusual for a machine name; Drupal may refuse it."],
    "depends_on": [
        {
            "id": _VOCABULARY_ID,
            "key": "bundles:vocabulary:event-type",
            "title": "Vocabulary: Event type",
            "position": 1,
            "by_person": False,
        }
    ],
    "needed_by": [],
}

TICKET_LIST: Final[Example] = {
    "groups": {"Vocabularies": 1, "Content types": 1},
    "total": 2,
    "tickets": [
        {
            **TICKET_SUMMARY,
            "id": _VOCABULARY_ID,
            "key": "bundles:vocabulary:event-type",
            "entity_group": "Vocabularies",
            "position": 1,
            "title": "Vocabulary: Event type",
            "is_edited": False,
            "notes_count": 0,
            "depends_on_count": 0,
        },
        TICKET_SUMMARY,
    ],
}

RUN: Final[Example] = {
    "task_id": _RUN_ID,
    "session_id": _SESSION_ID,
    "task_type": "processing",
    "status": "completed",
    "state": "completed",
    "progress_percentage": 100.0,
    "current_stage": "Storing the tickets",
    "attempt": 1,
    "tries": 1,
    "rescues": 0,
    "retry_count": 0,
    "retry_of": None,
    "lineage_id": _RUN_ID,
    "schedule": None,
    "parked": None,
    "cancel_requested_at": None,
    "result_summary": {
        "tickets_generated": 2,
        "groups": {"Vocabularies": 1, "Content types": 1},
        "files": {"Bundles.csv": 2},
        "errors": 0,
        "warnings": 1,
        "dependencies": 1,
    },
    "error": None,
    "created_at": "2026-03-02T09:18:00Z",
    "available_at": "2026-03-02T09:18:00Z",
    "started_at": "2026-03-02T09:18:01Z",
    "finished_at": "2026-03-02T09:18:03Z",
}

ATTEMPT: Final[Example] = {
    "attempt": 1,
    "worker": "worker-1:17",
    "alone": False,
    "started_at": "2026-03-02T09:18:01Z",
    "ended_at": "2026-03-02T09:18:03Z",
    "lease_expires_at": None,
    "outcome": "completed",
    "error": None,
}

TASK_STATUS: Final[Example] = {
    "session_id": _SESSION_ID,
    "task_type": "processing",
    "status": "completed",
    "run": RUN,
}

STREAM_PASS: Final[Example] = {
    "url": f"wss://tickets.example.org/api/processing/progress/{_SESSION_ID}?pass=made-up",
    "events_url": f"https://tickets.example.org/api/processing/events/{_SESSION_ID}?pass=made-up",
    "channel": f"progress:{_SESSION_ID}:processing",
    "expires_at": "2026-03-02T09:19:00Z",
}

NEXT_FIRE: Final[Example] = {
    "utc": "2026-03-03T08:00:00Z",
    "local": "2026-03-03T08:00:00Z",
}

SCHEDULE_FIRE: Final[Example] = {
    "fire_time": "2026-03-02T08:00:00Z",
    "outcome": "started",
    "recorded_at": "2026-03-02T08:00:00Z",
    "task_id": _RUN_ID,
}

SCHEDULE: Final[Example] = {
    "name": "cleanup.expired_sessions",
    "task": "cleanup.expired_sessions",
    "summary": "Deletes sessions that nobody has touched for a week.",
    "cron": "0 8 * * *",
    "zone": "UTC",
    "overlap": "skip",
    "misfire": "once",
    "next_fires": [NEXT_FIRE],
    "last_fire": SCHEDULE_FIRE,
}

WORKER: Final[Example] = {
    "id": _WORKER_ID,
    "host": "worker-1",
    "pid": 17,
    "version": "0.1.0",
    "task_types": ["adf_validation", "export", "processing"],
    "plugins": {"adf_validation": "0.1.0", "export": "0.1.0", "processing": "0.1.0"},
    "failed": {"acme_labels": "start: RuntimeError"},
    "max_jobs": 4,
    "running": 1,
    "lag": 0.001,
    "started_at": "2026-03-02T06:00:00Z",
    "last_seen_at": "2026-03-02T09:18:02Z",
}

ANY_WORKER: Final[Example] = {**WORKER, "state": "live", "stopped_at": None}

HEALTH: Final[Example] = {
    "api": "healthy",
    "worker": "healthy",
    "worker_last_seen": "2026-03-02T09:18:02Z",
    "workers": [WORKER],
}

READINESS_CHECK: Final[Example] = {
    "name": "workers",
    "ok": False,
    "message": "No worker lives; start `ticketgen-worker`.",
}

READINESS: Final[Example] = {
    "ready": True,
    "degraded": True,
    "checks": [
        {"name": "database", "ok": True, "message": ""},
        {"name": "schema", "ok": True, "message": ""},
        {"name": "redis", "ok": True, "message": ""},
        READINESS_CHECK,
        {"name": "queue", "ok": True, "message": "2 parked; see GET /api/runs?state=parked."},
        {"name": "plugins", "ok": True, "message": ""},
    ],
}

PLUGIN_PROBLEM: Final[Example] = {
    "phase": "import",
    "message": "ModuleNotFoundError: No module named 'jira'",
    "remedy": "Install what it needs, or disable the plugin.",
}

PLUGIN: Final[Example] = {
    "name": "export",
    "distribution": "ticketgen-export",
    "version": "0.1.0",
    "status": "active",
    "summary": "Exports validated tickets in dependency order.",
    "tasks": ["export"],
    "schedules": [],
    "routes": ["GET /api/export/targets"],
    "channels": ["progress:{session_id}:export"],
    "provides": ["ExportTarget file"],
    "problems": [],
}
