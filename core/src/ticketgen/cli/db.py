"""`ticketgen db`: the tables of the host and of its plugins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.attached import attached_settings
from ticketgen.cli.db_plugin import DOWNGRADE_HELP, REVISION_HELP, downgrade, revision
from ticketgen.cli.db_reports import failed_line, report_line, state_line, unread_line
from ticketgen.console import err, out, run
from ticketgen.database import create_engine
from ticketgen.discovery import PluginStatus
from ticketgen.errors import NotFoundError
from ticketgen.migrations import (
    InstalledTrees,
    TreeReport,
    installed_trees,
    require_current_schema,
    survey_schemas,
    upgrade_all,
    upgrade_plugins,
)
from ticketgen.migrations.trees import Tree

__all__ = ["app"]

app = typer.Typer(
    help="The tables of the host and of its plugins.",
    no_args_is_help=True,
)
app.command(help=DOWNGRADE_HELP)(downgrade)
app.command(help=REVISION_HELP)(revision)


@app.command(
    help="Migrate the host's tables, then each plugin's, to what the installed versions need.\n\n"
    "Refuses a database that is not ours. Each plugin's revisions run in one transaction: if one "
    "fails, or changes tables of others, that plugin's tables stay as they were, the plugin is "
    "out of use, the others go on, and the command ends with 1; with --plugins-may-fail only if "
    "the host must not run without that plugin. What a revision does to rows of others is not "
    "seen. Plugins that are shut out by a setting are left alone."
)
def upgrade(
    plugin: Annotated[
        str | None, typer.Option(help="Only the tables of this plugin, not the host's.")
    ] = None,
    plugins_may_fail: Annotated[
        bool,
        typer.Option(
            "--plugins-may-fail",
            help="End with 0 although plugins failed, for a deployment whose API and workers wait "
            "for this command; with 1 still if one failed that TICKETGEN_REQUIRED_PLUGINS names, "
            "or any with TICKETGEN_STRICT_PLUGINS.",
        ),
    ] = False,
) -> None:
    """Bring all tables, or one plugin's, up to date."""
    settings = attached_settings()
    installed = installed_trees(settings)
    if plugin is not None:
        installed = _only(plugin, installed)

    async def work() -> tuple[TreeReport, ...]:
        engine = create_engine(settings, application_name="ticketgen-db")
        try:
            out.print(_named(engine), soft_wrap=True, highlight=False)
            if plugin is None:
                return await upgrade_all(engine, installed.trees)
            await require_current_schema(engine)
            return await upgrade_plugins(engine, installed.trees)
        finally:
            await engine.dispose()

    reports = run(work())
    _print_reports(reports, installed)
    failed = {report.owner for report in reports if report.problem}
    if plugins_may_fail and not settings.strict_plugins:
        failed &= {*settings.required_plugins}
    if failed:
        raise typer.Exit(1)


@app.command(
    help="Show which revision each owner's tables are at, and which one is needed.\n\n"
    "Ends with 1 if the host's or an installed plugin's are not as needed. Tables of plugins "
    "that are not installed any more, or shut out by a setting, are kept and listed."
)
def status() -> None:
    """List the owners of tables, and how their tables stand."""
    settings = attached_settings()
    installed = installed_trees(settings)

    async def work() -> bool:
        engine = create_engine(settings, application_name="ticketgen-db")
        try:
            states = await survey_schemas(engine, installed.trees)
            out.print(_named(engine), soft_wrap=True, highlight=False)
        finally:
            await engine.dispose()
        unread = {found.name: found for found in installed.unread}
        for state in states:
            line = state_line(state, unread.get(state.owner))
            out.print(escape(line), soft_wrap=True, highlight=False)
        return all(state.problem is None for state in states)

    if not run(work()):
        raise typer.Exit(1)


def _named(engine: AsyncEngine) -> str:
    return escape(make_url(engine.url).render_as_string(hide_password=True))


def _only(plugin: str, installed: InstalledTrees) -> InstalledTrees:
    trees: Sequence[Tree] = [tree for tree in installed.trees if tree.owner == plugin]
    if trees:
        return InstalledTrees(trees=tuple(trees), unread=())
    for found in installed.unread:
        if found.name == plugin:
            problem = found.problems[0]
            raise NotFoundError(
                f"The plugin {plugin!r} is {found.status}: {problem.message}.",
                recovery_actions=[problem.remedy],
            )
    raise NotFoundError(
        f"No installed plugin {plugin!r} has tables of its own.",
        recovery_actions=["See `ticketgen db status` for those that have."],
    )


def _print_reports(reports: Sequence[TreeReport], installed: InstalledTrees) -> None:
    for report in reports:
        out.print(escape(report_line(report)), soft_wrap=True, highlight=False)
    for found in installed.unread:
        if found.status is not PluginStatus.DISABLED:
            err.print(
                f"[yellow]{escape(unread_line(found))}[/yellow]", soft_wrap=True, highlight=False
            )
    for report in reports:
        if report.problem is None:
            continue
        if report.problem.traceback:
            err.print(escape(report.problem.traceback), soft_wrap=True, highlight=False)
        err.print(f"[red]{escape(failed_line(report))}[/red]", soft_wrap=True, highlight=False)
        err.print(f"  → {escape(report.problem.remedy)}", soft_wrap=True, highlight=False)
