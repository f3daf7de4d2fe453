"""What an answer of Jira means: whether anything was done, and who can do something about it.

JiraBusyError          429: nothing was done, and when to come back
JiraNotReachedError    no connection: nothing was done
JiraUnansweredError    no answer, or one that says nothing: it may have been done
JiraRefusedError       400, 413, 422: nothing was done; the values are at fault
JiraPermissionError    403: nothing was done; somebody has to give a right
JiraGoneError          404: the project, or what was asked for, is not there
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ticketgen.errors import (
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    TemporaryError,
    UserFixableError,
)

__all__ = [
    "JIRA_ERRORS",
    "NOTHING_WAS_DONE",
    "JiraBusyError",
    "JiraGoneError",
    "JiraNotReachedError",
    "JiraPermissionError",
    "JiraRefusedError",
    "JiraSearchBehindError",
    "JiraUnansweredError",
]


class JiraBusyError(RateLimitedError):
    """Jira's limit of calls is used up for now."""

    code = "export.jira_busy"


class JiraNotReachedError(TemporaryError):
    """Jira could not be reached: no call was made."""

    code = "export.jira_not_reached"


class JiraUnansweredError(TemporaryError):
    """Jira did not answer as it should; what was asked may have been done."""

    code = "export.jira_unanswered"


class JiraSearchBehindError(TemporaryError):
    """Whether an issue was created is not known before Jira's search must have seen it."""

    code = "export.jira_search_behind"


class JiraRefusedError(UserFixableError):
    """Jira does not take the values it was sent."""

    code = "export.jira_refused"

    def __init__(self, message: str, *, fields: Mapping[str, str], **more: Any) -> None:
        super().__init__(message, **more)
        self.fields = dict(fields)
        """By Jira's name of the field: what is wrong with it, in Jira's words."""


class JiraPermissionError(PermissionDeniedError):
    """The account that is connected may not do this in the project."""

    code = "export.jira_permission"


class JiraGoneError(NotFoundError):
    """What was asked for is not in Jira, or the account may not see it."""

    code = "export.jira_gone"


NOTHING_WAS_DONE = (
    JiraBusyError,
    JiraNotReachedError,
    JiraRefusedError,
    JiraPermissionError,
    JiraGoneError,
)
"""Errors of a call that prove that Jira did nothing."""

JIRA_ERRORS = (*NOTHING_WAS_DONE, JiraSearchBehindError, JiraUnansweredError)
