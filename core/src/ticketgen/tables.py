"""What the models of a plugin's own tables are written with.

A plugin's tables have a declarative base of their own, so that nothing but them is migrated with
the plugin. A foreign key to a table of the host's is written with the column itself, because the
two do not know each other by name::

    from ticketgen.domain.sessions import WorkSession
    from ticketgen.tables import new_id, table_registry


    class Base(DeclarativeBase):
        registry = table_registry()


    class Label(Base):
        __tablename__ = "acme_labels"

        id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
        session_id: Mapped[UUID] = mapped_column(ForeignKey(WorkSession.id, ondelete="CASCADE"))
        text: Mapped[str] = mapped_column(String(100))
        made_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

`Base.metadata` is what `ticketgen.Migrations` asks for. `ticketgen db revision acme_labels -m
"what changes"` writes the revision that brings the database to the models.
"""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from ticketgen.database import COLUMN_TYPES, NAMES_OF_CONSTRAINTS, UtcDateTime, new_id, words

__all__ = ["UtcDateTime", "new_id", "table_registry", "words"]


def table_registry() -> registry:
    """The registry of a declarative base, with the host's column types and constraint names.

    `datetime` in an annotation becomes a point in time in UTC, `dict[str, Any]` and `list[Any]`
    become JSONB. Every call makes another one, with metadata of its own: one is enough for a
    plugin.
    """
    return registry(
        metadata=MetaData(naming_convention=NAMES_OF_CONSTRAINTS), type_annotation_map=COLUMN_TYPES
    )
