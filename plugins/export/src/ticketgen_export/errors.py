"""Why an export is refused, or stops, and why a site cannot be reached or used."""

from __future__ import annotations

from ticketgen.errors import (
    AdminRequiredError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    TemporaryError,
    TicketgenError,
    UserFixableError,
)

__all__ = [
    "ERRORS",
    "AuthorizationRefusedError",
    "AuthorizationStateError",
    "ChooseConnectionError",
    "ConnectionLostError",
    "ExportBlockedError",
    "NoConnectionError",
    "NothingExportedError",
    "OAuthNotSetUpError",
    "SiteAddressError",
    "SiteRefusedError",
    "SiteUnreachableError",
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


ERRORS: tuple[type[TicketgenError], ...] = (
    AuthorizationRefusedError,
    AuthorizationStateError,
    ChooseConnectionError,
    ConnectionLostError,
    ExportBlockedError,
    NoConnectionError,
    NothingExportedError,
    OAuthNotSetUpError,
    SiteAddressError,
    SiteRefusedError,
    SiteUnreachableError,
    UnknownTargetError,
    UnreadableRecordError,
)
"""All of them, for the documentation."""
