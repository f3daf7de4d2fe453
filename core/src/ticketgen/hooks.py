"""Calls the plugins' hooks one by one, each kept from harming the others or the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import pluggy
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.conformance import Problem, raised
from ticketgen.database import DatabaseUnavailableError, passes_by_itself, sqlstate_of
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.findings import Blocker, Finding, Severity
from ticketgen.isolation import LateError, Watched, belongs_to_host, in_own_task, in_time
from ticketgen.plugin import Hooks
from ticketgen.ports import Host, SettledRun
from ticketgen.standing import Standing

__all__ = ["HookCaller"]

_log = structlog.get_logger(__name__)

# The database's own limit ends a slow statement before ours would: a cancelled one costs the
# connection, and with it the caller's transaction.
_STATEMENT_LIMIT_MS = 3_000
_LIMIT_SECONDS = 5.0

_CUT_STATEMENT = "57014"
"""The database's code for a statement beyond its limit: of a slow hook, not of a busy database."""

_REMEDY = "Its author has to mend the hook; the log has the traceback (`hook_failed`)."


@dataclass(frozen=True, kw_only=True)
class _Silence:
    """A plugin that gave no answer."""

    out: Problem | None = None
    """Why it was not asked; None if it was, and failed."""


class HookCaller:
    """The hooks of the active plugins, in the order of plugin names.

    A plugin whose hooks fail again and again is put out of use for a while, and not called.
    """

    def __init__(self, modules: Mapping[str, ModuleType], standing: Standing | None = None) -> None:
        manager = pluggy.PluginManager("ticketgen")
        manager.add_hookspecs(Hooks)
        for name in sorted(modules):
            manager.register(modules[name], name)
        self._hooks = manager.hook
        self._standing = standing or Standing()
        self._left_behind: set[asyncio.Task[Any]] = set()

    def implementers(self, hook: str) -> list[str]:
        """The plugins that implement a hook, in the order in which they are called."""
        return [impl.plugin_name for impl in self._implementations(hook)]

    async def export_blockers(self, db: AsyncSession, session: WorkSession) -> list[Blocker]:
        """Why the session may not be exported; a gate that fails or is out of use blocks."""
        return [blocker for _, blocker in await self.closed_gates(db, session)]

    async def closed_gates(
        self, db: AsyncSession, session: WorkSession
    ) -> list[tuple[str, Blocker]]:
        """The same, each with the name of the plugin whose gate it is."""
        closed: list[tuple[str, Blocker]] = []
        arguments = {"db": db, "session": session}
        async for plugin, answer in self._each(
            "ticketgen_export_blockers", db, arguments, of=Blocker
        ):
            found = [_closed(plugin, answer)] if isinstance(answer, _Silence) else answer
            closed += [(plugin, blocker) for blocker in found]
        return closed

    async def check_ticket(self, db: AsyncSession, ticket: Ticket) -> list[Finding]:
        """What the plugins' checks say of a ticket; one that says nothing becomes a warning."""
        findings: list[Finding] = []
        arguments = {"db": db, "ticket": ticket}
        async for plugin, answer in self._each("ticketgen_check_ticket", db, arguments, of=Finding):
            findings += [_unchecked(plugin, answer)] if isinstance(answer, _Silence) else answer
        return findings

    async def run_settled(self, run: SettledRun, host_of: Callable[[str], Host]) -> None:
        """Tell every plugin in use that a run has ended; what one does keeps no other from it.

        One that is out of use in this process is not told later either; the log says so.
        """
        hook = "ticketgen_run_settled"
        for impl in self._implementations(hook):
            plugin = impl.plugin_name
            out = self._standing.problem_of(plugin)
            if out is not None:
                _log.warning(
                    "ending_not_told", plugin=plugin, run=str(run.id), why=out.message[:300]
                )
                continue
            work = _call(impl, {"host": host_of(plugin), "run": run})
            try:
                await in_own_task(work, limit=_LIMIT_SECONDS, left_behind=self._left_behind)
            except BaseException as error:
                if belongs_to_host(error):
                    raise
                self._note_failure(plugin, hook, error, held=work.held)
            else:
                self._note_answer(plugin, hook, held=work.held)

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        implementations: list[pluggy.HookImpl] = getattr(self._hooks, hook).get_hookimpls()
        return sorted(implementations, key=lambda impl: impl.plugin_name)

    async def _each(
        self, hook: str, db: AsyncSession, arguments: Mapping[str, Any], *, of: type
    ) -> AsyncIterator[tuple[str, list[Any] | _Silence]]:
        for impl in self._implementations(hook):
            plugin = impl.plugin_name
            out = self._standing.problem_of(plugin)
            if out is not None:
                yield plugin, _Silence(out=out)
                continue
            work = _call(impl, arguments)
            try:
                async with _contained(db), in_time(_LIMIT_SECONDS):
                    answer = await work
                _require_list(answer, of)
            except BaseException as error:
                if belongs_to_host(error):
                    raise
                self._note_failure(plugin, hook, error, held=work.held)
                yield plugin, _Silence()
            else:
                self._note_answer(plugin, hook, held=work.held)
                yield plugin, answer

    def _note_answer(self, plugin: str, hook: str, *, held: float) -> None:
        """An answer counts, also a late one; holding up the whole process for it is a failure."""
        if held <= _LIMIT_SECONDS:
            self._standing.note_hook_answer(plugin)
            return
        problem = _blocked(hook, held)
        _log.error("hook_blocked", plugin=plugin, hook=hook, seconds=round(held, 1))
        self._standing.note_hook_failure(plugin, problem)

    def _note_failure(self, plugin: str, hook: str, error: BaseException, *, held: float) -> None:
        _log.error("hook_failed", plugin=plugin, hook=hook, exc_info=error)
        if _is_the_databases(error):
            return
        if held > _LIMIT_SECONDS:
            problem = _blocked(hook, held)
        elif isinstance(error, LateError):
            problem = Problem(
                phase="hook",
                message=f"{hook} did not answer within {_LIMIT_SECONDS:g} s",
                remedy=_REMEDY,
            )
        else:
            problem = raised("hook", error, _REMEDY)
        self._standing.note_hook_failure(plugin, problem)


def _call(impl: pluggy.HookImpl, arguments: Mapping[str, Any]) -> Watched[Any]:
    function = cast("Callable[..., Awaitable[Any]]", impl.function)
    return Watched(lambda: function(**{name: arguments[name] for name in impl.argnames}))


def _blocked(hook: str, held: float) -> Problem:
    return Problem(
        phase="hook",
        message=f"{hook} blocked the event loop for {held:.1f} s, and everything else with it",
        remedy="Its author has to await what it waits for, or to give it to a thread.",
    )


def _is_the_databases(error: BaseException) -> bool:
    """Whether the database was away or too busy: no fault of the plugin's."""
    if isinstance(error, DatabaseUnavailableError):
        return True
    if not isinstance(error, DBAPIError | PoolTimeoutError):
        return False
    return passes_by_itself(error) and sqlstate_of(error) != _CUT_STATEMENT


def _closed(plugin: str, silence: _Silence) -> Blocker:
    if silence.out is None:
        return Blocker(
            code="gate_failed",
            message=f"The export check of plugin {plugin} failed.",
            recovery_actions=("Ask an administrator; the log names the cause.",),
        )
    return Blocker(
        code="gate_out_of_use",
        message=f"The plugin {plugin}, which has to agree, is out of use: {silence.out.reason}",
        recovery_actions=(silence.out.remedy, "See `ticketgen plugins doctor`."),
    )


def _unchecked(plugin: str, silence: _Silence) -> Finding:
    if silence.out is None:
        message = f"The ticket check of plugin {plugin} failed."
        remedy = "Ask an administrator; the log names the cause."
    else:
        message = (
            f"The ticket check of plugin {plugin} was not made; the plugin is out of use: "
            f"{silence.out.reason}"
        )
        remedy = silence.out.remedy
    return Finding(
        severity=Severity.WARNING, rule=f"{plugin}.check_failed", message=message, remedy=remedy
    )


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
