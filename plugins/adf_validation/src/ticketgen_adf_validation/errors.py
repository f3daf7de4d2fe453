"""Why a validation, or a document, is refused."""

from __future__ import annotations

from ticketgen import FindingsError
from ticketgen.errors import ConflictError, TooLargeError, UserFixableError

__all__ = ["DocumentTooLargeError", "NoDocumentError", "NoTicketsError", "TicketsBusyError"]


class NoTicketsError(UserFixableError):
    """There is no ticket to validate."""

    code = "adf_validation.no_tickets"


class NoDocumentError(FindingsError):
    """What was sent is no Atlassian document at all."""

    code = "adf_validation.no_document"


class DocumentTooLargeError(TooLargeError):
    """A document has more nodes or characters than a description ever has."""

    code = "adf_validation.too_large"


class TicketsBusyError(ConflictError):
    """A run is at work on the tickets that are to be fixed."""

    code = "adf_validation.tickets_busy"
