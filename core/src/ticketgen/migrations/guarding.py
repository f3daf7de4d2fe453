"""Keeps a plugin's revisions to its own tables: what they do to others' is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, text

from ticketgen.database import Base
from ticketgen.migrations.ownership import owner_of
from ticketgen.migrations.trees import SchemaError

__all__ = ["own_tables_only"]

# A foreign key is its own table's here: on the one it refers to it leaves internal triggers only.
_PARTS = text(
    """
    WITH tables AS (
        SELECT oid, relname FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    ),
    parts (owner, part, definition) AS (
        SELECT oid, '', '' FROM tables
        UNION ALL
        SELECT a.attrelid, 'column ' || a.attname, concat_ws(
            ' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation,
            a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid)
        )
        FROM pg_attribute AS a
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT i.indrelid, 'index ' || c.relname, pg_get_indexdef(i.indexrelid)
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        UNION ALL
        SELECT conrelid, 'constraint ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
        UNION ALL
        SELECT tgrelid, 'trigger ' || tgname, concat(tgenabled, pg_get_triggerdef(oid))
        FROM pg_trigger WHERE NOT tgisinternal
    )
    SELECT relname, part, definition FROM parts JOIN tables ON tables.oid = parts.owner
    """
)

_HINDERING_KEYS = text(
    """
    SELECT k.conname || ' of ' || k.conrelid::regclass || ' to ' || k.confrelid::regclass
    FROM pg_constraint AS k
    JOIN pg_class AS own ON own.oid = k.conrelid
    JOIN pg_class AS host ON host.oid = k.confrelid
    WHERE k.contype = 'f' AND host.relnamespace = current_schema()::regnamespace
      AND host.relname = ANY(:host_tables) AND own.relname <> ALL(:host_tables)
      AND own.relname = ANY(:own_tables)
      AND (
          k.confdeltype NOT IN ('c', 'n')
          OR k.confdeltype = 'n' AND EXISTS (
              SELECT FROM pg_attribute AS a
              WHERE a.attrelid = k.conrelid AND a.attnum = ANY(k.conkey) AND a.attnotnull
          )
      )
    ORDER BY 1
    """
)

_Part = tuple[str, str, str]
"""Table, what of it (empty for the table itself), and how that is defined."""


@contextmanager
def own_tables_only(
    connection: Connection, owner: str, plugins: Mapping[str, Collection[str]]
) -> Iterator[None]:
    """Refuse what a plugin did within the block to tables that are not its own.

    Tables, columns, indexes, constraints and triggers are compared. Rows are not: that a revision
    writes or deletes those of others stays unseen.

    Raises:
        SchemaError: it made, dropped or changed a table that is not its own, or left a foreign
            key behind that would keep the host from deleting its own rows.
    """
    before = _parts(connection)
    yield
    after = _parts(connection)
    changed = {part for part in before ^ after if owner_of(part[0], plugins) != owner}
    if changed:
        raise SchemaError(
            f"The revisions of {owner} make, drop or change tables that are not its own: "
            f"{_named(changed)}.",
            recovery_actions=[
                f"Its author has to begin the names of its tables with '{owner}_', and to leave "
                "all others as they are."
            ],
        )
    _require_free_rows(connection, owner, {t for t, _, _ in after if owner_of(t, plugins) == owner})


def _parts(connection: Connection) -> set[_Part]:
    return {(table, part, definition) for table, part, definition in connection.execute(_PARTS)}


def _named(changed: set[_Part]) -> str:
    """The tables that came or went, and what changed of those that stay."""
    whole = {table for table, part, _ in changed if not part}
    parts = {f"{part} of {table}" for table, part, _ in changed if table not in whole}
    return ", ".join([*sorted(whole), *sorted(parts)])


def _require_free_rows(connection: Connection, owner: str, own_tables: set[str]) -> None:
    keys = connection.execute(
        _HINDERING_KEYS,
        {"host_tables": sorted(Base.metadata.tables), "own_tables": sorted(own_tables)},
    ).scalars()
    hindering = ", ".join(keys)
    if hindering:
        raise SchemaError(
            f"A foreign key of {owner} would keep the host from deleting its rows: {hindering}.",
            recovery_actions=[
                'Its author has to give it ondelete="CASCADE", or "SET NULL" on a column that '
                "may be NULL."
            ],
        )
