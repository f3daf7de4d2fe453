"""Calls the plugins' hooks one by one, each kept from harming the others or the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import pluggy
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.context import Blocker
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.findings import Finding, Severity
from ticketgen.plugin import Hooks

__all__ = ["HookCaller"]

_log = structlog.get_logger(__name__)

# The database's own limit ends a slow statement before ours would: a cancelled one costs the
# connection, and with it the caller's transaction.
_STATEMENT_LIMIT_MS = 3_000
_LIMIT_SECONDS = 5.0


class HookCaller:
    """The hooks of the active plugins, in the order of plugin names."""

    def __init__(self, modules: Mapping[str, ModuleType]) -> None:
        manager = pluggy.PluginManager("ticketgen")
        manager.add_hookspecs(Hooks)
        for name in sorted(modules):
            manager.register(modules[name], name)
        self._hooks = manager.hook

    def implementers(self, hook: str) -> list[str]:
        """The plugins that implement a hook, in the order in which they are called."""
        return sorted(impl.plugin_name for impl in getattr(self._hooks, hook).get_hookimpls())

    async def export_blockers(self, db: AsyncSession, session: WorkSession) -> list[Blocker]:
        """Why the session may not be exported; a gate that fails or is late blocks."""
        blockers: list[Blocker] = []
        async for plugin, answer in self._each(
            "ticketgen_export_blockers", db, {"db": db, "session": session}, of=Blocker
        ):
            if isinstance(answer, BaseException):
                blockers.append(
                    Blocker(
                        code="gate_failed",
                        message=f"The export check of plugin {plugin} failed.",
                        recovery_actions=("Ask an administrator; the log names the cause.",),
                    )
                )
            else:
                blockers += answer
        return blockers

    async def check_ticket(self, db: AsyncSession, ticket: Ticket) -> list[Finding]:
        """What the plugins' checks say of a ticket; one that fails becomes a warning."""
        findings: list[Finding] = []
        async for plugin, answer in self._each(
            "ticketgen_check_ticket", db, {"db": db, "ticket": ticket}, of=Finding
        ):
            if isinstance(answer, BaseException):
                findings.append(
                    Finding(
                        severity=Severity.WARNING,
                        rule=f"{plugin}.check_failed",
                        message=f"The ticket check of plugin {plugin} failed.",
                        remedy="Ask an administrator; the log names the cause.",
                    )
                )
            else:
                findings += answer
        return findings

    async def _each(
        self, hook: str, db: AsyncSession, arguments: Mapping[str, Any], *, of: type
    ) -> AsyncIterator[tuple[str, Any]]:
        implementations = sorted(
            getattr(self._hooks, hook).get_hookimpls(), key=lambda impl: impl.plugin_name
        )
        for impl in implementations:
            try:
                async with _contained(db), asyncio.timeout(_LIMIT_SECONDS):
                    answer = await impl.function(
                        **{name: arguments[name] for name in impl.argnames}
                    )
                _require_list(answer, of)
            except (Exception, SystemExit) as error:
                _log.exception("hook_failed", plugin=impl.plugin_name, hook=hook)
                yield impl.plugin_name, error
            else:
                yield impl.plugin_name, answer


def _require_list(answer: object, kind: type) -> None:
    """Refuse any other answer here, where it counts as the plugin's failure, not the caller's."""
    if not isinstance(answer, list) or not all(isinstance(item, kind) for item in answer):
        raise TypeError(f"the hook has to return a list of {kind.__name__}, not {answer!r:.200}")


@asynccontextmanager
async def _contained(db: AsyncSession) -> AsyncIterator[None]:
    """A savepoint with a statement limit of its own; the caller's limit is restored after it."""
    before = (await db.execute(text("SHOW statement_timeout"))).scalar_one()
    set_limit = text("SELECT set_config('statement_timeout', :limit, true)")
    async with db.begin_nested():
        await db.execute(set_limit, {"limit": str(_STATEMENT_LIMIT_MS)})
        yield
        await db.execute(set_limit, {"limit": before})
