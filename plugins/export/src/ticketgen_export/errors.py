"""Why an export is refused, or stops, and why a site cannot be reached or used.

What an answer of Jira means, and whether anything was done there:

    JiraBusyError          429: nothing was done, and when to come back
    JiraNotReachedError    no connection: nothing was done
    JiraUnansweredError    no answer, or one that says nothing: it may have been done
    JiraSearchBehindError  it may have been done, and the search may not show it yet
    JiraRefusedError       400, 413, 422: nothing was done; the values are at fault
    JiraPermissionError    403: nothing was done; somebody has to give a right
    JiraGoneError          404: the project, or what was asked for, is not there
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ticketgen.errors import (
    AdminRequiredError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    TemporaryError,
    TicketgenError,
    UserFixableError,
)

__all__ = [
    "ERRORS",
    "NOTHING_WAS_DONE",
    "AuthorizationRefusedError",
    "AuthorizationStateError",
    "ChooseConnectionError",
    "ConnectionLostError",
    "ExportBlockedError",
    "JiraBusyError",
    "JiraGoneError",
    "JiraNotReachedError",
    "JiraPermissionError",
    "JiraRefusedError",
    "JiraSearchBehindError",
    "JiraUnansweredError",
    "NoConnectionError",
    "NothingExportedError",
    "OAuthNotSetUpError",
    "SiteAddressError",
    "SiteRefusedError",
    "SiteUnreachableError",
    "UnfitProjectError",
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


class SiteAddressError(UserFixableError):
    """What was given is no address of a Jira site, or none that may be asked."""

    code = "export.site_address"


class SiteRefusedError(UserFixableError):
    """The site does not take the e-mail address and token, or is no Jira."""

    code = "export.site_refused"


class SiteUnreachableError(TemporaryError):
    """The site, or the server that gives tokens for it, does not answer as it should."""

    code = "export.site_unreachable"


class ConnectionLostError(ConflictError):
    """The connection's token is not taken any more; its user has to connect again."""

    code = "export.connection_lost"


class NoConnectionError(UserFixableError):
    """The user has no connection to a Jira site that could be used."""

    code = "export.no_connection"


class ChooseConnectionError(UserFixableError):
    """The user has several connections and named none."""

    code = "export.choose_connection"


class OAuthNotSetUpError(ConfigurationError):
    """No OAuth application is registered for this system."""

    code = "export.oauth_not_set_up"


class AuthorizationStateError(UserFixableError):
    """The way back from Atlassian is unknown here, was used before, or took too long."""

    status = 400
    code = "export.authorization_state"


class AuthorizationRefusedError(UserFixableError):
    """The user did not consent, or Atlassian gave no tokens, or none for a site of Jira."""

    status = 400
    code = "export.authorization_refused"


class UnfitProjectError(UserFixableError):
    """The project cannot take the tickets as they are to be exported."""

    code = "export.unfit_project"


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

ERRORS: tuple[type[TicketgenError], ...] = (
    AuthorizationRefusedError,
    AuthorizationStateError,
    ChooseConnectionError,
    ConnectionLostError,
    ExportBlockedError,
    JiraBusyError,
    JiraGoneError,
    JiraNotReachedError,
    JiraPermissionError,
    JiraRefusedError,
    JiraSearchBehindError,
    JiraUnansweredError,
    NoConnectionError,
    NothingExportedError,
    OAuthNotSetUpError,
    SiteAddressError,
    SiteRefusedError,
    SiteUnreachableError,
    UnfitProjectError,
    UnknownTargetError,
    UnreadableRecordError,
)
"""All of them, for the documentation."""
