"""Why a count is refused, or not there."""

from __future__ import annotations

from ticketgen.errors import NotFoundError, UserFixableError

__all__ = ["NoTicketsError", "NotCountedError"]


class NoTicketsError(UserFixableError):
    """There is no ticket to count."""

    code = "tally.no_tickets"


class NotCountedError(NotFoundError):
    """The session has not been counted."""

    code = "tally.not_counted"
