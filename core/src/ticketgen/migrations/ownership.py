"""Whose a table of the database is: the host's, or a plugin's, by its name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, text

import ticketgen.domain  # noqa: F401 - puts every table of the host's on the metadata
from ticketgen.conformance import owner_by_name
from ticketgen.database import Base

__all__ = ["CORE", "VERSION_TABLE", "owner_of", "version_table_of", "version_tables"]

CORE = "core"
"""The host's own tables; no plugin can have that name."""

VERSION_TABLE = "ticketgen_schema"
"""Core's own; every plugin with tables has another."""

_SUFFIX = "_schema"

# The shape of Alembic's table tells it from a table of a plugin that happens to end like one.
_VERSION_TABLES = text(
    """
    SELECT c.relname FROM pg_class AS c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
      AND right(c.relname, 7) = '_schema'
      AND (
          SELECT array_agg(a.attname::text) FROM pg_attribute AS a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      ) = ARRAY['version_num']
    ORDER BY c.relname
    """
)


def version_table_of(plugin: str) -> str:
    """Where the database keeps the revision of a plugin's tables."""
    return plugin + _SUFFIX


def version_tables(connection: Connection) -> list[str]:
    """The names of plugins that have, or had, tables in this database."""
    found = connection.execute(_VERSION_TABLES).scalars()
    return [name.removesuffix(_SUFFIX) for name in found if name != VERSION_TABLE]


def owner_of(table: str, plugins: Mapping[str, Collection[str]]) -> str:
    """The plugin among these whose table that is, or `CORE`; each has the tables of its models.

    A plugin `acme` has `acme_pages`, but not `acme_labels_texts` where there is also a plugin
    `acme_labels`, unless of the two only the models of `acme` have it; and no plugin has a table
    of the host's, whatever its name begins with.
    """
    if table in Base.metadata.tables or table == VERSION_TABLE:
        return CORE
    if table.removesuffix(_SUFFIX) in plugins:
        return table.removesuffix(_SUFFIX)
    declaring = [name for name, tables in plugins.items() if table in tables]
    return owner_by_name(table, declaring) or owner_by_name(table, plugins) or CORE
