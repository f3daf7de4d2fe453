"""Why an export is refused."""

from __future__ import annotations

from ticketgen.errors import ConflictError, NotFoundError, UserFixableError

__all__ = ["ExportBlockedError", "NothingExportedError", "UnknownTargetError"]


class ExportBlockedError(ConflictError):
    """The tickets are not validated, or another gate is closed."""

    code = "export.blocked"


class UnknownTargetError(UserFixableError):
    """No installed plugin provides the target."""

    code = "export.unknown_target"


class NothingExportedError(NotFoundError):
    """The session has no complete export."""

    code = "export.nothing_exported"
