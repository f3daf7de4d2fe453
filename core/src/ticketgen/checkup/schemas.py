"""Whether a plugin's revisions make the tables its models describe."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.checkup.flaws import Flaw, fault
from ticketgen.migrations.revising import schema_differences
from ticketgen.migrations.trees import plugin_tree
from ticketgen.plugin import Plugin

__all__ = ["check_migrations"]


async def check_migrations(engine: AsyncEngine, plugin: Plugin) -> list[Flaw]:
    """Compare models and tables on a database where the plugin's revisions have been run."""
    if plugin.migrations is None:
        return []
    tree = plugin_tree(plugin.name, plugin.migrations)
    return [
        fault(
            f"migrations of {plugin.name!r}",
            f"models and revisions differ: {difference}",
            "Write a revision: `ticketgen db revision`, see `--help`.",
        )
        for difference in await schema_differences(engine, tree)
    ]
