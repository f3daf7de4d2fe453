"""Which connection a user's work goes by, and access to it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen_export.connections import keeping
from ticketgen_export.connections.access import AccessSource
from ticketgen_export.connections.renewing import Renewer, Source, lost
from ticketgen_export.connections.stored import Connection
from ticketgen_export.errors import ChooseConnectionError, NoConnectionError

__all__ = ["ConnectionBook"]


class ConnectionBook:
    """Finds connections and gives access to them; one per process."""

    def __init__(self, renewer: Renewer) -> None:
        self._renewer = renewer

    def source(self, connection_id: UUID) -> AccessSource:
        """Gives access to a connection, whoever asks: see `pick` for who may."""
        return Source(connection_id, renewer=self._renewer)

    @staticmethod
    async def pick(
        db: AsyncSession, user_id: UUID, connection_id: UUID | None = None
    ) -> Connection:
        """The connection that was named, if it is the user's; or the only one that is good.

        Raises:
            NotFoundError: the user has no such connection.
            ConnectionLostError: it does not work any more.
            NoConnectionError: none was named, and the user has none that is good.
            ChooseConnectionError: none was named, and the user has several.
        """
        if connection_id is not None:
            named = await keeping.get_connection(db, connection_id, of=user_id)
            if named.lost_at is not None:
                raise lost(named)
            return named
        found = await keeping.list_connections(db, of=user_id)
        good = [one for one in found if one.lost_at is None]
        if len(good) == 1:
            return good[0]
        if good:
            raise ChooseConnectionError(
                "You have several connections to Jira; name one.",
                recovery_actions=[
                    f"For {one.name}: --option connection={one.id}, or over the API "
                    f'"options": {{"connection": "{one.id}"}}.'
                    for one in good
                ],
            )
        if found:
            raise lost(found[-1])
        raise NoConnectionError(
            "You are not connected to a Jira site.",
            recovery_actions=[
                "Connect with POST /api/export/connections, or `ticketgen export connect`."
            ],
        )
