"""Why a validation is refused."""

from __future__ import annotations

from ticketgen.errors import UserFixableError

__all__ = ["NoTicketsError"]


class NoTicketsError(UserFixableError):
    """There is no ticket to validate."""

    code = "adf_validation.no_tickets"
