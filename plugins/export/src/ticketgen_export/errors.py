"""Why an export is refused, or stops."""

from __future__ import annotations

from ticketgen.errors import AdminRequiredError, ConflictError, NotFoundError, UserFixableError

__all__ = [
    "ExportBlockedError",
    "NothingExportedError",
    "UnknownTargetError",
    "UnreadableRecordError",
]


class ExportBlockedError(ConflictError):
    """The tickets are not validated, or another gate is closed."""

    code = "export.blocked"


class UnknownTargetError(UserFixableError):
    """No installed plugin provides the target."""

    code = "export.unknown_target"


class NothingExportedError(NotFoundError):
    """The session has no complete export."""

    code = "export.nothing_exported"


class UnreadableRecordError(AdminRequiredError):
    """What a person recorded of the sending of a ticket is not what the export can read."""

    code = "export.unreadable_record"
