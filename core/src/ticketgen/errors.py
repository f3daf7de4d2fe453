"""Every error says who can fix it, how, and what the HTTP border answers.

    TicketgenError                     admin_required   500
    ├── UserFixableError               user_fixable     422
    │   ├── InvalidInputError          user_fixable     422
    │   ├── NotFoundError              user_fixable     404
    │   ├── ConflictError              user_fixable     409
    │   └── TooLargeError              user_fixable     413
    ├── AdminRequiredError             admin_required   500
    │   ├── AuthenticationError        user_fixable     401
    │   ├── PermissionDeniedError      admin_required   403
    │   ├── ConfigurationError         admin_required   500
    │   ├── OutcomeUnknownError        admin_required   500
    │   └── TaskTimeoutError           admin_required   500
    └── TemporaryError                 temporary        503   retried by itself
        └── RateLimitedError           temporary        429   retried after its own delay

Category and status are independent: the category says who acts, the status says what HTTP says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar

__all__ = [
    "AdminRequiredError",
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "ErrorCategory",
    "InvalidInputError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RateLimitedError",
    "TaskTimeoutError",
    "TemporaryError",
    "TicketgenError",
    "TooLargeError",
    "UserFixableError",
]


class ErrorCategory(StrEnum):
    """Who can make the error go away."""

    USER_FIXABLE = "user_fixable"
    """The person at the screen, by changing the input."""
    ADMIN_REQUIRED = "admin_required"
    """Somebody with more rights, or whoever runs the system."""
    TEMPORARY = "temporary"
    """Nobody: it is retried by itself."""


class TicketgenError(Exception):
    """The root of every expected error; `str()` of it is fit for the person who sees it.

    `recovery_actions` are sentences a person can act on; `technical_details` are JSON-able, stored
    with the failure, and never shown to anyone but operators.
    """

    category: ClassVar[ErrorCategory] = ErrorCategory.ADMIN_REQUIRED
    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    """Stable identifier; a plugin's codes begin with its name: `export.not_validated`."""

    def __init__(
        self,
        message: str,
        *,
        recovery_actions: Sequence[str] = (),
        technical_details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.recovery_actions = tuple(recovery_actions)
        self.technical_details = dict(technical_details or {})


class UserFixableError(TicketgenError):
    """The caller can put it right by changing what was sent."""

    category = ErrorCategory.USER_FIXABLE
    status = 422
    code = "user_fixable"


class InvalidInputError(UserFixableError):
    """What was sent cannot be read or breaks a rule."""

    code = "invalid_input"


class NotFoundError(UserFixableError):
    """There is no such thing, or it is not the caller's to know of."""

    status = 404
    code = "not_found"


class ConflictError(UserFixableError):
    """Possible in itself, but not in the present state."""

    status = 409
    code = "conflict"


class TooLargeError(UserFixableError):
    """More bytes, files or characters than the limits allow."""

    status = 413
    code = "too_large"


class AdminRequiredError(TicketgenError):
    """Somebody other than the caller has to act."""

    code = "admin_required"


class AuthenticationError(AdminRequiredError):
    """No token, or one that is unknown, expired or revoked."""

    category = ErrorCategory.USER_FIXABLE
    status = 401
    code = "authentication"


class PermissionDeniedError(AdminRequiredError):
    """The caller is known and not allowed."""

    status = 403
    code = "permission_denied"


class ConfigurationError(AdminRequiredError):
    """A setting, a migration or an installation is missing or wrong."""

    code = "configuration"


class OutcomeUnknownError(AdminRequiredError):
    """A call to another system may have done its work or not; a person has to look there."""

    code = "outcome_unknown"


class TaskTimeoutError(AdminRequiredError):
    """A run took longer than its task type allows and was stopped."""

    code = "task_timeout"


class TemporaryError(TicketgenError):
    """Likely to pass by itself; raised by a handler it makes the run try again later.

    `retry_after` is the least delay the other side asked for (an HTTP `Retry-After`), if any.
    """

    category = ErrorCategory.TEMPORARY
    status = 503
    code = "temporary"

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        recovery_actions: Sequence[str] = (),
        technical_details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            message, recovery_actions=recovery_actions, technical_details=technical_details
        )
        self.retry_after = retry_after


class RateLimitedError(TemporaryError):
    """A limit of ours or of the other side is used up for now."""

    status = 429
    code = "rate_limited"
