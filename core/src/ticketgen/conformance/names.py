"""Which names a plugin may have, and which words in addresses are the host's own."""

from __future__ import annotations

import re

from ticketgen.conformance.problem import Problem, problem

__all__ = ["NAME", "RESERVED_NAMES", "RESERVED_VERBS", "check_identity"]

RESERVED_NAMES = frozenset(
    {
        "api", "audit", "auth", "core", "db", "demo", "docs", "doctor", "effects", "events",
        "findings", "health", "host", "metrics", "openapi", "plugins", "progress", "runs",
        "schedules", "secrets", "sessions", "stream-passes", "stream_pass", "tasks", "ticketgen",
        "tickets", "tokens", "up", "upload", "uploads", "users", "validations", "worker", "workers",
    }
)  # fmt: skip
"""First segments under `/api`, and commands of `ticketgen`, that are core's own."""

RESERVED_VERBS = frozenset({"start", "status", "cancel", "retry", "progress", "events"})
"""First segments under `/api/{task type}` that core mounts for every task."""

_OWN_PREFIX = "ticketgen_"
"""What the host's own metrics begin with."""

NAME = re.compile(r"[a-z][a-z0-9_]{1,48}")


def check_identity(name: str) -> list[Problem]:
    """Whether a plugin may have that name."""
    if not NAME.fullmatch(name):
        return [
            problem(
                f"{name!r} is no valid plugin name",
                "Use 2 to 49 lower-case letters, digits and underscores, beginning with a letter.",
                phase="find",
            )
        ]
    if name in RESERVED_NAMES:
        return [problem(f"{name!r} is reserved for the host", "Choose another name.", phase="find")]
    if name.startswith(_OWN_PREFIX):
        return [
            problem(
                f"{name!r} begins with {_OWN_PREFIX!r}, as names of the host do",
                f"Leave that out: {name.removeprefix(_OWN_PREFIX)!r}.",
                phase="find",
            )
        ]
    return []
