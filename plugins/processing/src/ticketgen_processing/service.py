"""Starting the plugin's tasks: each method validates, and stores a run that a worker takes up."""

from __future__ import annotations

from uuid import UUID

from ticketgen import NoRequest, StartedRun, Starter
from ticketgen.domain.users import User
from ticketgen_processing.schemas import GenerateRequest, RegenerateRequest

__all__ = ["ProcessingService"]


class ProcessingService:
    """Starts checks and generations; their work stands in modules named by what they do."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    async def check_sheets(self, session_id: UUID, *, user: User | None) -> StartedRun:
        """Store a run that makes a new report on the session's sheets.

        Raises:
            TicketgenError: as `checking.prepare_check`, or what the session's state refuses.
        """
        return await self._starter.start(
            "processing.check", session_id=session_id, request=NoRequest(), user=user
        )

    async def generate_tickets(
        self, session_id: UUID, request: GenerateRequest, *, user: User | None
    ) -> StartedRun:
        """Store a run that generates the session's tickets.

        Raises:
            TicketgenError: as `generating.prepare_generation`, or what the session's state refuses.
        """
        return await self._starter.start(
            "processing", session_id=session_id, request=request, user=user
        )

    async def regenerate_ticket(
        self, session_id: UUID, request: RegenerateRequest, *, user: User | None
    ) -> StartedRun:
        """Store a run that writes one ticket anew.

        Raises:
            TicketgenError: as `regenerating.prepare_regeneration`, or what the session's state
                refuses.
        """
        return await self._starter.start(
            "processing.regenerate", session_id=session_id, request=request, user=user
        )
