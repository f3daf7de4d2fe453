"""The public surface for plugin authors.

A plugin is a package with one entry point; its module returns one value::

    from ticketgen import Plugin, Task, TaskContext, hookimpl

    @hookimpl
    def ticketgen_plugin() -> Plugin:
        return Plugin(name="acme", summary="Labels tickets.", tasks=(LABEL_TICKETS,))

* `Plugin`, `Task`, `Schedule`, `Migrations` and their parts say what the plugin contributes.
* `TaskContext` is what a running handler gets; `in_thread` makes a handler of a plain function,
  which gets a `BlockingContext`; `StartContext` is what a start is validated with;
  `Starter` what a service starts tasks through; `Host` what a plugin may use outside of both.
* `Finding` and `Blocker` are what checks and gates answer, and `FindingsError` refuses an input
  with; `Duration` and `Names` are types for the fields of a plugin's settings.
* `Lazy` names a router, or a command group, that only those processes import that need it.
* `hookimpl` marks a hook; the hooks are the methods of `ticketgen.plugin.Hooks`.
* `ticketgen.domain` has the shared nouns, `ticketgen.errors` the errors, `ticketgen.provides`
  the other values a plugin may contribute, `ticketgen.api.deps` what its routes depend on,
  `ticketgen.commands` what its commands work with, `ticketgen.tables` what models of its own
  tables are written with, `ticketgen.testing` the kit that proves a plugin before it is shipped,
  `ticketgen.client` what programs elsewhere start and watch runs with.

Everything else may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ticketgen.blocking import BlockingContext, in_thread
    from ticketgen.context import TaskContext
    from ticketgen.findings import Blocker, Finding, FindingsError, Severity
    from ticketgen.lazy import Lazy
    from ticketgen.plugin import (
        CONTRACT_VERSION,
        TICKETS_GROUP,
        Caller,
        Exclusivity,
        Migrations,
        Misfire,
        NoRequest,
        Overlap,
        Plugin,
        RetryPolicy,
        Schedule,
        StageMoves,
        Subject,
        Task,
        hookimpl,
    )
    from ticketgen.ports import (
        ConsultContext,
        Contributions,
        Host,
        Role,
        RunIdentity,
        SettledRun,
        StartContext,
        StartedRun,
        Starter,
    )
    from ticketgen.settings import Duration, Names
    from ticketgen.vault import Vault

__all__ = [
    "CONTRACT_VERSION",
    "TICKETS_GROUP",
    "Blocker",
    "BlockingContext",
    "Caller",
    "ConsultContext",
    "Contributions",
    "Duration",
    "Exclusivity",
    "Finding",
    "FindingsError",
    "Host",
    "Lazy",
    "Migrations",
    "Misfire",
    "Names",
    "NoRequest",
    "Overlap",
    "Plugin",
    "RetryPolicy",
    "Role",
    "RunIdentity",
    "Schedule",
    "SettledRun",
    "Severity",
    "StageMoves",
    "StartContext",
    "StartedRun",
    "Starter",
    "Subject",
    "Task",
    "TaskContext",
    "Vault",
    "hookimpl",
    "in_thread",
]

_HOMES = {
    "ticketgen.blocking": ("BlockingContext", "in_thread"),
    "ticketgen.context": ("TaskContext",),
    "ticketgen.findings": ("Blocker", "Finding", "FindingsError", "Severity"),
    "ticketgen.lazy": ("Lazy",),
    "ticketgen.plugin": (
        "CONTRACT_VERSION",
        "Caller",
        "Exclusivity",
        "Migrations",
        "Misfire",
        "NoRequest",
        "Overlap",
        "Plugin",
        "RetryPolicy",
        "Schedule",
        "StageMoves",
        "Subject",
        "TICKETS_GROUP",
        "Task",
        "hookimpl",
    ),
    "ticketgen.ports": (
        "ConsultContext",
        "Contributions",
        "Host",
        "Role",
        "RunIdentity",
        "SettledRun",
        "StartContext",
        "StartedRun",
        "Starter",
    ),
    "ticketgen.settings": ("Duration", "Names"),
    "ticketgen.vault": ("Vault",),
}
"""Where each name is defined. It is imported when it is asked for: whoever needs a part, such as
`ticketgen.client`, which programs elsewhere watch runs with, does not pay for the host."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
