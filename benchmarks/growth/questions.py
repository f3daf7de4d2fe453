"""Every question that is asked of the database while people work and runs run."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

from benchmarks.growth import of_runs, of_sessions, of_system
from benchmarks.growth.of_runs import Question
from ticketgen import domain

__all__ = ["LEFT_OUT", "QUESTIONS", "WATCHED", "functions_of_the_domain"]

QUESTIONS: dict[str, Question] = of_runs.QUESTIONS | of_sessions.QUESTIONS | of_system.QUESTIONS
"""Functions of the domain, and the variant → a call of them."""

WATCHED = frozenset(
    {
        "artifacts",
        "audit_log",
        "effects",
        "export_results",
        "run_attempts",
        "run_steps",
        "session_errors",
        "session_tasks",
        "ticket_dependencies",
        "ticket_validations",
        "tickets",
        "uploads",
        "validations",
    }
)
"""Tables that nothing may read as a whole. There are fewer sessions than anything in them, and
who counts them all looks at all."""

LEFT_OUT = {
    "secrets.count_by_key": "a command of operators, who change the key",
    "secrets.lock_secrets_not_sealed_with": "as above",
    "secrets.reseal": "as above",
    "tokens.create_token": "a command of administrators",
    "tokens.list_tokens": "as above",
    "tokens.revoke_token": "as above",
    "users.create_user": "as above",
    "users.disable_user": "as above",
    "users.list_users": "as above",
}
"""What nobody waits for, and why."""


def functions_of_the_domain() -> Iterator[str]:
    """`module.function` of everything in `ticketgen.domain` that asks the database something."""
    for found in pkgutil.iter_modules(domain.__path__):
        module = importlib.import_module(f"{domain.__name__}.{found.name}")
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.iscoroutinefunction(function):
                yield f"{found.name}.{name}"
