"""What may go wrong between a program and the API, as errors that say what to do.

ApiError
├── ApiProblemError              the API refused: with all that it said about it
│   ├── ApiUnauthenticatedError  401
│   ├── ApiForbiddenError        403, close code 4403
│   ├── ApiNotFoundError         404, close code 4404
│   ├── ApiConflictError         409
│   └── PluginOutOfUseError      503 of a plugin, close code 4503
└── ApiUnreachableError          nothing answers, or not for as long as the patience lasts
    └── ForeignAnswerError       what answers is not the API
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from ticketgen.errors import ErrorCategory, TicketgenError

__all__ = [
    "ApiConflictError",
    "ApiError",
    "ApiForbiddenError",
    "ApiNotFoundError",
    "ApiProblemError",
    "ApiUnauthenticatedError",
    "ApiUnreachableError",
    "ForeignAnswerError",
    "PluginOutOfUseError",
    "problem_of_close",
    "problem_of_code",
    "problem_of_status",
]

_NO_REASON = "The API gives no reason."


class ApiError(TicketgenError):
    """The root of everything a client raises on account of the API."""

    code = "api_error"


class ApiProblemError(ApiError):
    """The API refused something, or a run failed; with all that it said about it."""

    code = "api_problem"

    def __init__(
        self,
        problem: Mapping[str, Any],
        *,
        recovery_actions: Sequence[str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        said = [str(action) for action in problem.get("recovery_actions") or []]
        super().__init__(
            str(problem.get("detail") or _NO_REASON),
            recovery_actions=said if recovery_actions is None else recovery_actions,
        )
        self.problem = dict(problem)
        """The whole document (RFC 9457): `status`, `code`, `category`, `detail` and so on."""
        self.retry_after = retry_after
        """Seconds after which the API wants to be asked again, where it says so."""

    @property
    def problem_code(self) -> str:
        """The API's own code of the error, such as `conflict`; empty where there is none."""
        return str(self.problem.get("code") or "")

    @property
    def error_id(self) -> str | None:
        """What to quote to an administrator."""
        found = self.problem.get("error_id")
        return str(found) if found else None

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Every problem of the input."""
        return list(self.problem.get("findings") or [])

    @property
    def current(self) -> dict[str, Any] | None:
        """How things are now, where the request was out of date."""
        found = self.problem.get("current")
        return dict(found) if isinstance(found, dict) else None


class ApiUnauthenticatedError(ApiProblemError):
    """There is no token, or it is not good any more."""

    code = "api_unauthenticated"


class ApiForbiddenError(ApiProblemError):
    """What is asked for belongs to somebody else, or needs an administrator."""

    code = "api_forbidden"


class ApiNotFoundError(ApiProblemError):
    """There is no such run or session, or there is none any more."""

    code = "api_not_found"


class ApiConflictError(ApiProblemError):
    """It cannot be done as things stand."""

    code = "api_conflict"


class PluginOutOfUseError(ApiProblemError):
    """The plugin that brings the task could not be loaded; the message says why."""

    code = "api_plugin_out_of_use"


class ApiUnreachableError(ApiError):
    """Nothing answers; what was started goes on without its watcher."""

    category: ClassVar[ErrorCategory] = ErrorCategory.TEMPORARY
    status: ClassVar[int] = 503
    code = "api_unreachable"


class ForeignAnswerError(ApiUnreachableError):
    """Something answers, and it is not the API: a proxy, or another program."""

    code = "api_foreign_answer"


_BY_STATUS: Mapping[int, type[ApiProblemError]] = {
    HTTPStatus.UNAUTHORIZED: ApiUnauthenticatedError,
    HTTPStatus.FORBIDDEN: ApiForbiddenError,
    HTTPStatus.NOT_FOUND: ApiNotFoundError,
    HTTPStatus.CONFLICT: ApiConflictError,
}

_OUT_OF_USE = "plugin_unavailable"

_BY_CODE: Mapping[str, type[ApiProblemError]] = {
    "authentication": ApiUnauthenticatedError,
    "permission_denied": ApiForbiddenError,
    "not_found": ApiNotFoundError,
    "conflict": ApiConflictError,
    _OUT_OF_USE: PluginOutOfUseError,
}

_BY_CLOSE: Mapping[int, tuple[type[ApiProblemError], str]] = {
    4403: (ApiForbiddenError, "Ask its owner, or an administrator."),
    4404: (ApiNotFoundError, "Look up the id: it is wrong, or what it meant was deleted."),
    4503: (PluginOutOfUseError, "An administrator can see why with `ticketgen plugins doctor`."),
}


def problem_of_status(
    status: int, problem: Mapping[str, Any], *, retry_after: float | None = None
) -> ApiProblemError:
    """The error for a problem document of the API."""
    kind = _BY_STATUS.get(status, ApiProblemError)
    if problem.get("code") == _OUT_OF_USE:  # a 503 after which no later request fares better
        kind = PluginOutOfUseError
    return kind({"status": status, **problem}, retry_after=retry_after)


def problem_of_code(code: str, problem: Mapping[str, Any]) -> ApiProblemError:
    """The error for a refusal that bears a code of the API, and no status."""
    return _BY_CODE.get(code, ApiProblemError)({"code": code, **problem})


def problem_of_close(code: int, reason: str) -> ApiProblemError | None:
    """The error for a close code that means that there is no way back; None for all others."""
    if code not in _BY_CLOSE:
        return None
    kind, action = _BY_CLOSE[code]
    status = code - 4000
    return kind({"status": status, "detail": reason, "recovery_actions": [action]})
