"""Alembic's environment: online only, on the connection that `upgrade_schema` hands over."""

from __future__ import annotations

from alembic import context

import ticketgen.domain  # noqa: F401 - puts every table on the metadata
from ticketgen.database import Base
from ticketgen.migrations import VERSION_TABLE

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
