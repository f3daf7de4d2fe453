"""Which modules a plugin may import: what is listed here stays as it is, the rest may change."""

from __future__ import annotations

__all__ = ["HOST_NOUNS", "PUBLIC_MODULES", "is_public"]

PUBLIC_MODULES = (
    "ticketgen",
    "ticketgen.api.deps",
    "ticketgen.client",
    "ticketgen.commands",
    "ticketgen.domain",
    "ticketgen.errors",
    "ticketgen.provides",
    "ticketgen.tables",
    "ticketgen.testing",
)
"""What the outside may import; `ticketgen.testing` in tests only."""

HOST_NOUNS = (
    "ticketgen.domain.backlog",
    "ticketgen.domain.many_runs",
    "ticketgen.domain.recovery",
    "ticketgen.domain.redelivery",
    "ticketgen.domain.rollback",
    "ticketgen.domain.run_access",
    "ticketgen.domain.run_attempts",
    "ticketgen.domain.schedules",
    "ticketgen.domain.session_contents",
    "ticketgen.domain.stages",
    "ticketgen.domain.ticket_assignment",
    "ticketgen.domain.ticket_dependencies",
    "ticketgen.domain.ticket_lists",
    "ticketgen.domain.ticket_order",
    "ticketgen.domain.transitions",
    "ticketgen.domain.transitions_together",
    "ticketgen.domain.watched_runs",
    "ticketgen.domain.workers",
)
"""Modules of `ticketgen.domain` that are the host's own machinery."""

_NOUNS = "ticketgen.domain."


def is_public(module: str) -> bool:
    """Whether a module of the host, by its dotted name, is one that a plugin may import."""
    if module.startswith(_NOUNS):
        return module.count(".") == _NOUNS.count(".") and module not in HOST_NOUNS
    return module in PUBLIC_MODULES
