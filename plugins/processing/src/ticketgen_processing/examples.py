"""Answers as they look, for the description of the API."""

from __future__ import annotations

from typing import Any

__all__ = [
    "ACCEPTANCE",
    "COLUMN",
    "ESTIMATE",
    "FINDING",
    "GROUP",
    "MODEL_USAGE",
    "REPORT",
    "SHEET_TYPE",
    "USAGE",
    "VALUE_COUNT",
    "WRITER",
    "WRITER_HEALTH",
]

ACCEPTANCE: dict[str, Any] = {
    "by": "mia",
    "at": "2026-11-01T09:30:00Z",
    "reason": "The vocabulary comes in phase 2.",
}
VALUE_COUNT: dict[str, Any] = {"value": "Topic (Vocabulary)", "count": 3}
GROUP: dict[str, Any] = {
    "id": "reference-fields-ref-bundle-3f2a51",
    "rule": "processing.reference",
    "severity": "error",
    "file": "HM_Fields.csv",
    "column": "Ref. bundle",
    "title": "names are defined in no sheet",
    "remedy": "Write “Topics (Vocabulary)” if that is meant; else define it in the bundles sheet.",
    "count": 3,
    "rows": [12, 40, 41],
    "values": [VALUE_COUNT],
    "suggestions": ["Topics (Vocabulary)"],
    "open_errors": 0,
    "accepted": ACCEPTANCE,
}
REPORT: dict[str, Any] = {
    "session_id": "019ac0de-0000-7000-8000-000000000001",
    "task_id": "019ac0de-0000-7000-8000-000000000004",
    "made_at": "2026-11-01T09:20:00Z",
    "stale": False,
    "errors": 3,
    "accepted_errors": 3,
    "open_errors": 0,
    "warnings": 0,
    "components": 40,
    "entity_groups": {"Content types": 12, "Vocabularies": 28},
    "groups": [GROUP],
}
FINDING: dict[str, Any] = {
    "severity": "error",
    "rule": "processing.reference",
    "message": "No sheet defines “Topic (Vocabulary)”.",
    "remedy": GROUP["remedy"],
    "file": "HM_Fields.csv",
    "row": 12,
    "column": "Ref. bundle",
    "path": None,
    "value": "Topic (Vocabulary)",
    "suggestions": ["Topics (Vocabulary)"],
    "group": GROUP["id"],
}
ESTIMATE: dict[str, Any] = {
    "writer": "openai",
    "tickets": 280,
    "texts_known": 200,
    "texts_to_write": 80,
    "input_tokens": 96_000,
    "output_tokens": 24_000,
    "cost": "0.410000",
    "duration_seconds": 72.0,
    "budget": "10",
    "spent": "1.250000",
    "within_budget": True,
    "checked_at": "2026-11-01T09:20:00Z",
}
MODEL_USAGE: dict[str, Any] = {
    "writer": "openai",
    "model": "gpt-5-mini",
    "texts": 200,
    "requests": 204,
    "input_tokens": 240_000,
    "output_tokens": 60_000,
    "cost": "1.250000",
    "unpriced": 0,
}
USAGE: dict[str, Any] = {"cost": "1.250000", "budget": "10", "models": [MODEL_USAGE]}
WRITER: dict[str, Any] = {
    "name": "template",
    "summary": "Fixed sentences filled with the facts of the sheets; instant, needs no model.",
    "paid": False,
    "plugin": "processing",
}
WRITER_HEALTH: dict[str, Any] = {
    "ready": True,
    "message": "It needs nothing from anybody.",
    "recovery_actions": [],
    "for_admin": False,
}
COLUMN: dict[str, Any] = {
    "name": "Name",
    "aliases": ["Bundle", "Bundle name", "Label"],
    "required": True,
}
SHEET_TYPE: dict[str, Any] = {
    "name": "bundles",
    "label": "Bundle",
    "plugin": "processing",
    "file_stems": ["bundles", "bundle", "contenttypes"],
    "columns": [COLUMN],
}
