"""What the plugin contributes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import Finding, Host, Migrations, Plugin, SettledRun, hookimpl
from ticketgen.domain.tickets import Ticket
from ticketgen.errors import ConflictError, NotFoundError
from ticketgen.provides import Commands
from ticketgen_tally.api import public_router, router
from ticketgen_tally.checks import LENGTH, stale_estimate
from ticketgen_tally.commands import app
from ticketgen_tally.counts import Base, count_of
from ticketgen_tally.errors import NotCountedError, NoTicketsError
from ticketgen_tally.estimating import Scale
from ticketgen_tally.figures import COUNTS, WORDS
from ticketgen_tally.service import TallyService
from ticketgen_tally.settings import TallySettings
from ticketgen_tally.sheets import CHORES
from ticketgen_tally.tasks import SCHEDULES, TASKS

__all__ = ["ticketgen_check_ticket", "ticketgen_plugin", "ticketgen_run_settled"]


@asynccontextmanager
async def scale(host: Host) -> AsyncIterator[Scale]:
    """Read the ignored words once for a process."""
    ignored = files("ticketgen_tally").joinpath("ignored.txt").read_text(encoding="utf-8")
    yield Scale(words_per_point=host.settings.words_per_point, ignored=frozenset(ignored.split()))


@hookimpl
def ticketgen_plugin() -> Plugin:
    """Counts, on demand, after every generation and every night."""
    return Plugin(
        name="tally",
        summary="Counts the words of tickets and estimates the effort.",
        tasks=TASKS,
        schedules=SCHEDULES,
        router=router,
        public_router=public_router,
        service=TallyService,
        settings=TallySettings,
        provides=(CHORES, LENGTH, COUNTS, WORDS, Commands(app=app)),
        errors=(NoTicketsError, NotCountedError),
        migrations=Migrations(
            versions=Path(__file__).with_name("versions"), metadata=Base.metadata
        ),
        lifespan=scale,
    )


@hookimpl
async def ticketgen_check_ticket(db: AsyncSession, ticket: Ticket) -> list[Finding]:
    """Warn of an estimate that is older than the ticket."""
    return stale_estimate(ticket, await count_of(db, ticket.session_id, ticket.key))


@hookimpl
async def ticketgen_run_settled(host: Host, run: SettledRun) -> None:
    """Count a session as soon as its tickets are generated."""
    if (run.task_type, run.status) != ("processing", "completed"):
        return
    if not host.settings.after_generation:
        return
    # Somebody may have deleted the session, or gone on with it: then nobody waits for a count.
    with suppress(ConflictError, NotFoundError):
        async with host.unit_of_work() as work:
            await work.start("tally", session_id=run.session_id)
