"""The nouns that core and every plugin share: their tables, and every query on them.

One module per noun; import the module and call through it, `tickets.list_tickets(db, …)`. No
function here commits: the edge that opened the transaction does.

Plugins use the nouns. The machinery of runs, and what the routes of sessions are made of, is the
host's own and may change without notice: `backlog`, `recovery`, `redelivery`, `rollback`,
`run_access`, `run_attempts`, `schedules`, `session_contents`, `stages`, `ticket_assignment`,
`ticket_dependencies`, `ticket_lists`, `ticket_order`, `transitions`, `workers`.
"""

from __future__ import annotations

from ticketgen.domain import (
    artifacts,
    audit,
    backlog,
    descriptions,
    effects,
    failures,
    recovery,
    redelivery,
    rollback,
    run_access,
    run_attempts,
    run_steps,
    schedules,
    secrets,
    session_contents,
    sessions,
    stages,
    task_runs,
    ticket_assignment,
    ticket_dependencies,
    ticket_lists,
    ticket_order,
    tickets,
    tokens,
    transitions,
    uploads,
    users,
    validations,
    workers,
)

__all__ = [
    "artifacts",
    "audit",
    "backlog",
    "descriptions",
    "effects",
    "failures",
    "recovery",
    "redelivery",
    "rollback",
    "run_access",
    "run_attempts",
    "run_steps",
    "schedules",
    "secrets",
    "session_contents",
    "sessions",
    "stages",
    "task_runs",
    "ticket_assignment",
    "ticket_dependencies",
    "ticket_lists",
    "ticket_order",
    "tickets",
    "tokens",
    "transitions",
    "uploads",
    "users",
    "validations",
    "workers",
]
