"""Why a generation is refused, or stops."""

from __future__ import annotations

from ticketgen.errors import ConflictError, UserFixableError

__all__ = [
    "EditedTicketsError",
    "NoTicketsError",
    "NoUploadsError",
    "UnknownWriterError",
    "UnreadableUploadError",
]


class NoUploadsError(UserFixableError):
    """There is no file to generate tickets from."""

    code = "processing.no_uploads"


class EditedTicketsError(ConflictError):
    """Generating anew would throw edits away."""

    code = "processing.edited_tickets"


class UnknownWriterError(UserFixableError):
    """The session's writer is not installed, or no more."""

    code = "processing.unknown_writer"


class UnreadableUploadError(UserFixableError):
    """A stored file cannot be read as the type it was stored as."""

    code = "processing.unreadable_upload"


class NoTicketsError(UserFixableError):
    """The files hold no row a ticket could be made from."""

    code = "processing.no_tickets"
