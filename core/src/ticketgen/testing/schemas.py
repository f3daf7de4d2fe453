"""Makes the tables of the installed plugins in a database of tests."""

from __future__ import annotations

from ticketgen.database import create_engine
from ticketgen.migrations import SchemaError, installed_trees, upgrade_all
from ticketgen.settings import Settings

__all__ = ["upgrade_plugins"]


async def upgrade_plugins(settings: Settings) -> None:
    """Migrate the tables of every plugin that is installed now, after the host's.

    The databases of tests have those of the plugins that were installed when the session began;
    this is for one that a test installs itself.

    Raises:
        SchemaError: a plugin's revisions fail; the message has the traceback.
    """
    engine = create_engine(settings, application_name="ticketgen-tests")
    try:
        reports = await upgrade_all(engine, installed_trees(settings).trees)
    finally:
        await engine.dispose()
    failed = [report for report in reports if report.problem is not None]
    if failed:
        raise SchemaError(
            "\n".join(
                f"The tables of {report.owner} were not migrated: {report.problem.message}\n"
                f"{report.problem.traceback or ''}"
                for report in failed
                if report.problem is not None
            ),
            recovery_actions=[report.problem.remedy for report in failed if report.problem],
        )
