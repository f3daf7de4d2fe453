"""Why a check, a generation or an acceptance is refused, or stops."""

from __future__ import annotations

from ticketgen.errors import (
    AdminRequiredError,
    ConflictError,
    NotFoundError,
    TemporaryError,
    UserFixableError,
)

__all__ = [
    "ERRORS",
    "BudgetSpentError",
    "ComponentGoneError",
    "EditedTicketsError",
    "NoTicketsError",
    "NoUploadsError",
    "NotAnErrorError",
    "SheetErrorsError",
    "StaleReportError",
    "StaleTicketError",
    "UnknownGroupError",
    "UnknownWriterError",
    "UnreadableUploadError",
    "WriterNotReadyError",
    "WriterNotSetUpError",
]


class NoUploadsError(UserFixableError):
    """There is no file to generate tickets from."""

    code = "processing.no_uploads"


class EditedTicketsError(ConflictError):
    """Generating anew has to be told what becomes of edits."""

    code = "processing.edited_tickets"


class UnknownWriterError(UserFixableError):
    """The session's writer is not installed, or no more."""

    code = "processing.unknown_writer"


class WriterNotReadyError(TemporaryError):
    """The session's writer cannot write now."""

    code = "processing.writer_not_ready"


class WriterNotSetUpError(AdminRequiredError):
    """The session's writer cannot write before somebody has set it up."""

    status = 503
    code = "processing.writer_not_set_up"


class UnreadableUploadError(UserFixableError):
    """A stored file cannot be read as the type it was stored as."""

    code = "processing.unreadable_upload"


class NoTicketsError(UserFixableError):
    """The files hold no row a ticket could be made from."""

    code = "processing.no_tickets"


class SheetErrorsError(UserFixableError):
    """The sheets hold errors that nobody has accepted."""

    code = "processing.sheet_errors"


class BudgetSpentError(UserFixableError):
    """The writers of the session may spend no more."""

    code = "processing.budget_spent"


class StaleReportError(ConflictError):
    """The report is about other files than those that are there now."""

    code = "processing.stale_report"


class UnknownGroupError(NotFoundError):
    """The report has no such group of findings, or nobody has accepted it."""

    code = "processing.unknown_group"


class NotAnErrorError(UserFixableError):
    """A group of warnings, which need no acceptance."""

    code = "processing.not_an_error"


class StaleTicketError(ConflictError):
    """The ticket was changed since it was read."""

    code = "processing.stale_ticket"


class ComponentGoneError(ConflictError):
    """The sheets have no component for the ticket any more."""

    code = "processing.component_gone"


ERRORS = (
    BudgetSpentError,
    ComponentGoneError,
    EditedTicketsError,
    NoTicketsError,
    NoUploadsError,
    NotAnErrorError,
    SheetErrorsError,
    StaleReportError,
    StaleTicketError,
    UnknownGroupError,
    UnknownWriterError,
    UnreadableUploadError,
    WriterNotReadyError,
    WriterNotSetUpError,
)
"""All of them, by name."""
