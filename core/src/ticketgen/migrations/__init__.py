"""Brings the database's schema up to date, core's and each plugin's, and says when it is not."""

from __future__ import annotations

from ticketgen.migrations.installed import InstalledTrees, installed_trees, named_tree
from ticketgen.migrations.ownership import CORE, VERSION_TABLE
from ticketgen.migrations.survey import (
    TreeState,
    plugin_schema_problem,
    require_current_schema,
    schema_revisions,
    survey_schemas,
)
from ticketgen.migrations.trees import SchemaError, alembic_config
from ticketgen.migrations.upgrading import (
    TreeReport,
    upgrade_all,
    upgrade_plugins,
    upgrade_schema,
)

__all__ = [
    "CORE",
    "VERSION_TABLE",
    "InstalledTrees",
    "SchemaError",
    "TreeReport",
    "TreeState",
    "alembic_config",
    "installed_trees",
    "named_tree",
    "plugin_schema_problem",
    "require_current_schema",
    "schema_revisions",
    "survey_schemas",
    "upgrade_all",
    "upgrade_plugins",
    "upgrade_schema",
]
