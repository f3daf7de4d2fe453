"""How Postgres answers a question: the statements it becomes, their plans, and what they cost."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ticketgen.database import create_session_factory

__all__ = ["Ask", "Asked", "Scan", "Statement", "ask", "recording"]

Ask = Callable[[AsyncSession], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement as it went to the database."""

    sql: str
    parameters: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One way in which a plan reads a table."""

    table: str
    node: str
    """`Seq Scan`, `Index Scan` …"""
    index: str | None
    touched: float
    """Rows looked at, those that were filtered out included; of all loops."""
    planned: float
    """Rows the planner expected to look at."""

    @property
    def is_sequential(self) -> bool:
        """Whether the whole table was read."""
        return self.node == "Seq Scan"

    def __str__(self) -> str:
        return f"{self.node} {self.index or self.table}"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What came of one question."""

    seconds: float
    """On the clock."""
    statements: tuple[Statement, ...]
    scans: tuple[Scan, ...]
    pages: int
    """Looked at."""


@contextmanager
def recording(engine: AsyncEngine) -> Iterator[list[Statement]]:
    """Every statement that goes to the database while the block runs, in order."""
    found: list[Statement] = []

    def note(
        connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
    ) -> None:
        each = parameters[0] if many and parameters else parameters
        found.append(Statement(sql=sql, parameters=tuple(each or ())))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def ask(engine: AsyncEngine, question: Ask) -> Asked:
    """Ask once and take the time; then once more, statement by statement, explained.

    Each is a transaction that is rolled back, so whoever asks next finds the same rows.
    """
    async with create_session_factory(engine)() as db:
        _ = await db.connection()
        with recording(engine) as statements:
            began = time.perf_counter()
            await question(db)
            await db.flush()
            seconds = time.perf_counter() - began
        await db.rollback()
    plans = [plan async for plan in _plans(engine, statements)]
    return Asked(
        seconds=seconds,
        statements=tuple(statements),
        scans=tuple(scan for plan in plans for scan in _scans(plan)),
        pages=sum(_pages(plan) for plan in plans),
    )


async def _plans(engine: AsyncEngine, statements: list[Statement]) -> Any:
    """The plan of each, all carried out again in one transaction, in their order."""
    async with engine.connect() as connection, connection.begin() as transaction:
        for statement in statements:
            if statement.sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
                continue
            rows = await connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}", statement.parameters
            )
            told = rows.scalar_one()
            yield (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
        await transaction.rollback()


def _scans(plan: dict[str, Any]) -> Iterator[Scan]:
    if "Relation Name" in plan and plan["Node Type"].endswith("Scan"):
        loops = plan.get("Actual Loops", 1)
        filtered = plan.get("Rows Removed by Filter", 0) + plan.get(
            "Rows Removed by Index Recheck", 0
        )
        yield Scan(
            table=plan["Relation Name"],
            node=plan["Node Type"],
            index=plan.get("Index Name") or _index_below(plan),
            touched=(plan.get("Actual Rows", 0) + filtered) * loops,
            planned=plan["Plan Rows"],
        )
    for part in plan.get("Plans", ()):
        yield from _scans(part)


def _index_below(plan: dict[str, Any]) -> str | None:
    """The indexes that say which pages a bitmap scan reads."""
    names = [name for part in plan.get("Plans", ()) if (name := _named_index(part))]
    return " & ".join(names) or None


def _named_index(plan: dict[str, Any]) -> str | None:
    return plan.get("Index Name") or _index_below(plan)


def _pages(plan: dict[str, Any]) -> int:
    return int(plan.get("Shared Hit Blocks", 0)) + int(plan.get("Shared Read Blocks", 0))
