"""What an exception that ended a handler means: the failure to record, and who has to act."""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.database import DatabaseUnavailableError, passes_by_itself
from ticketgen.errors import AdminRequiredError, TaskTimeoutError, TemporaryError, TicketgenError

__all__ = [
    "ConnectionLostError",
    "UnexpectedError",
    "UnreadablePayloadError",
    "diagnose",
    "timed_out",
    "unreadable_payload",
]


class UnexpectedError(AdminRequiredError):
    """A handler raised something nobody expected: a fault in our code or the plugin's."""

    code = "unexpected"


class UnreadablePayloadError(AdminRequiredError):
    """The stored payload does not fit the task's present payload model."""

    code = "unreadable_payload"


class ConnectionLostError(TemporaryError):
    """A connection to another machine was refused or broke off."""

    code = "connection_lost"


def diagnose(error: BaseException) -> TicketgenError:
    """The failure that stands for an exception; an expected error stands for itself.

    A database that is away passes by itself, and so does a lost connection. A statement the
    database refuses is our fault, and so is everything nobody thought of.
    """
    if isinstance(error, TicketgenError):
        return error
    if isinstance(error, DBAPIError | PoolTimeoutError) and passes_by_itself(error):
        return DatabaseUnavailableError(
            "The database could not be reached, or was too busy.", technical_details=_details(error)
        )
    if isinstance(error, ConnectionError):
        return ConnectionLostError(
            "A connection was refused or lost.", technical_details=_details(error)
        )
    return UnexpectedError(
        "The task stopped at an unexpected error.",
        recovery_actions=["Tell an administrator the error id."],
        technical_details=_details(error),
    )


def timed_out(limit: timedelta) -> TaskTimeoutError:
    """The failure of an attempt that was stopped at its time limit."""
    return TaskTimeoutError(
        f"The task was stopped after its time limit of {limit}.",
        recovery_actions=[
            "Start it again; if it is stopped again, ask an administrator to raise the limit."
        ],
    )


def unreadable_payload(error: ValidationError) -> UnreadablePayloadError:
    """The failure of a run whose stored payload does not fit its model."""
    return UnreadablePayloadError(
        "The stored task does not fit the installed version of its plugin.",
        recovery_actions=["Start the task again, or ask an administrator which version is needed."],
        technical_details=_details(error),
    )


def _details(error: BaseException) -> dict[str, Any]:
    return {
        "exception": f"{type(error).__name__}: {error}"[:2_000],
        "traceback": "".join(traceback.format_exception(error))[-8_000:],
    }
