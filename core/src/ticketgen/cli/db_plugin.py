"""`ticketgen db downgrade` and `revision`: what is done to the tables of one plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.attached import attached_settings
from ticketgen.console import err, out, run
from ticketgen.database import create_engine, create_session_factory
from ticketgen.domain import backlog, workers
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import ConflictError, InvalidInputError
from ticketgen.migrations import CORE, installed_trees, named_tree, require_current_schema
from ticketgen.migrations.downgrading import Loss, downgrade_plugin, expected_loss
from ticketgen.migrations.revising import write_revision
from ticketgen.migrations.trees import CORE_TREE
from ticketgen.settings import Settings

__all__ = ["DOWNGRADE_HELP", "REVISION_HELP", "downgrade", "revision"]

DOWNGRADE_HELP = (
    "Drop all tables of a plugin with everything in them, before it is uninstalled.\n\n"
    "Says which tables and how many rows will be lost, and asks for the plugin's name. Refused "
    "while a run of the plugin is at work. First shut the plugin out with "
    "TICKETGEN_BLOCKED_PLUGINS and restart API and workers; then downgrade; then uninstall. A "
    "plugin that stays in use gets new, empty tables with the next `ticketgen db upgrade`."
)

REVISION_HELP = (
    "Write the next revision of a plugin that you develop, from what its models say.\n\n"
    "The database, which must be at the plugin's last revision, is compared with the models; only "
    "the plugin's own tables are looked at. Read the file and mend it: a renamed column looks "
    "like a dropped and a new one. Then `ticketgen db upgrade`.\n\n"
    "The plugin must be installed from its source (`pip install -e .`), and the directory that "
    "`Migrations.versions` names must be there."
)


def downgrade(
    plugin: Annotated[str, typer.Argument(help="Whose tables; the host's cannot be dropped.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; refused for a required plugin.")
    ] = False,
) -> None:
    """Take a plugin's tables back, after asking."""
    settings = attached_settings()
    _refuse_if_protected(plugin, yes, settings)
    tree = named_tree(plugin, settings)
    beside = installed_trees(settings).trees

    async def look() -> tuple[Loss, list[str]]:
        engine = create_engine(settings, application_name="ticketgen-db")
        try:
            await require_current_schema(engine)
            loss = await expected_loss(engine, tree, beside=beside)
            return loss, await _warnings(engine, plugin, settings) if loss.revision else []
        finally:
            await engine.dispose()

    loss, warnings = run(look())
    if loss.revision is None:
        out.print(f"The plugin {plugin} has no schema in this database: nothing to drop.")
        return
    _print_loss(plugin, loss.rows, warnings)
    if not yes and typer.prompt("Type the plugin's name to drop them") != plugin:
        err.print("That is not its name; nothing was changed.")
        raise typer.Exit(1)

    async def work() -> tuple[str, ...]:
        engine = create_engine(settings, application_name="ticketgen-db")
        try:
            await _warnings(engine, plugin, settings)  # somebody may have thought for a while
            return await downgrade_plugin(engine, tree, beside=beside)
        finally:
            await engine.dispose()

    left = run(work())
    out.print(f"{plugin}: {loss.revision} → nothing", highlight=False)
    if left:
        err.print(
            f"[yellow]Its own revisions left these tables; drop them by hand: "
            f"{escape(', '.join(left))}[/yellow]",
            soft_wrap=True,
        )


def revision(
    plugin: Annotated[str, typer.Argument(help="Whose tables: a plugin, or core.")],
    message: Annotated[str, typer.Option("--message", "-m", help="What changes, in a few words.")],
    empty: Annotated[
        bool, typer.Option("--empty", help="Compare nothing: for a change of rows.")
    ] = False,
) -> None:
    """Write a revision, and say where."""
    settings = attached_settings()
    tree = CORE_TREE if plugin == CORE else named_tree(plugin, settings)
    beside = installed_trees(settings).trees

    async def work() -> None:
        engine = create_engine(settings, application_name="ticketgen-db")
        try:
            path = await write_revision(engine, tree, message=message, empty=empty, beside=beside)
        finally:
            await engine.dispose()
        if path is None:
            out.print("The tables are as the models say: no revision is needed.")
        else:
            out.print(escape(str(path)), soft_wrap=True, highlight=False)

    run(work())


def _refuse_if_protected(plugin: str, yes: bool, settings: Settings) -> None:
    if plugin in {CORE, "ticketgen"}:
        raise InvalidInputError(
            "The host's own tables are never dropped by this command.",
            recovery_actions=["Drop the whole database with the tools of Postgres."],
        )
    if yes and plugin in settings.required_plugins:
        raise InvalidInputError(
            f"The plugin {plugin!r} is required: its tables are not dropped unasked.",
            recovery_actions=[
                "Leave --yes away and confirm, or take it out of TICKETGEN_REQUIRED_PLUGINS."
            ],
        )


async def _warnings(engine: AsyncEngine, plugin: str, settings: Settings) -> list[str]:
    """What else to know before; refuses while a run of the plugin is at work."""
    async with create_session_factory(engine)() as db:
        counts = await backlog.count_active_runs(db, plugin=plugin)
        live = await workers.list_live_workers(db, expiry=settings.heartbeat_expiry)
    running = int(sum(n for names, n in counts.items() if RunState.RUNNING in names))
    if running:
        raise ConflictError(
            f"The plugin {plugin!r} has runs at work: {running}.",
            recovery_actions=[
                "Wait for them, or cancel them (`ticketgen runs`), and try again.",
                f"To keep new ones away, put {plugin} into TICKETGEN_BLOCKED_PLUGINS and restart "
                "API and workers.",
            ],
        )
    waiting = int(sum(counts.values()))
    serving = [f"{worker.host}:{worker.pid}" for worker in live if plugin in worker.plugins]
    return [
        *([f"Also runs of it wait: {waiting}. They will find no tables."] if waiting else []),
        *(
            [f"These workers serve it and will fail at it: {', '.join(serving)}."]
            if serving
            else []
        ),
    ]


def _print_loss(plugin: str, rows: Mapping[str, int], warnings: list[str]) -> None:
    out.print(f"Of the plugin {plugin}, these tables will be lost:", highlight=False)
    for table, count in rows.items():
        out.print(f"  {escape(table)}: {count} rows", highlight=False)
    for warning in warnings:
        err.print(f"[yellow]{escape(warning)}[/yellow]", soft_wrap=True, highlight=False)
