"""Alembic's environment, of all trees: online only, on the connection that is handed over."""

from __future__ import annotations

from alembic import context

from ticketgen.migrations.trees import environment

context.configure(**environment(context.config))
with context.begin_transaction():
    context.run_migrations()
