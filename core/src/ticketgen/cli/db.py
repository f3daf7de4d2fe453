"""`ticketgen db`: the database's schema."""

from __future__ import annotations

import typer
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.attached import attached_settings
from ticketgen.cli.console import out, run
from ticketgen.database import create_engine
from ticketgen.migrations import schema_revisions, upgrade_schema

__all__ = ["app"]

app = typer.Typer(help="The database's schema.", no_args_is_help=True)


def _engine() -> AsyncEngine:
    return create_engine(attached_settings(), application_name="ticketgen-db")


def _named(engine: AsyncEngine) -> str:
    return make_url(engine.url).render_as_string(hide_password=True)


@app.command()
def upgrade() -> None:
    """Migrate the database to the schema of this version; refuses one that is not ours."""

    async def work() -> None:
        engine = _engine()
        try:
            before, after = await upgrade_schema(engine)
            state = f"was at {after} already" if before == after else f"{before} → {after}"
            out.print(f"{_named(engine)}: {state}", soft_wrap=True)
        finally:
            await engine.dispose()

    run(work())


@app.command()
def status() -> None:
    """Show the schema the database has and the one this version needs; 1 if they differ."""

    async def work() -> bool:
        engine = _engine()
        try:
            current, head = await schema_revisions(engine)
            out.print(f"{_named(engine)}: at {current or 'nothing'}, needed {head}", soft_wrap=True)
        finally:
            await engine.dispose()
        return current == head

    if not run(work()):
        raise typer.Exit(1)
