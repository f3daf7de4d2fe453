"""What an exception that ended a handler means: the failure to record, and who has to act."""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.database import DatabaseUnavailableError, passes_by_itself
from ticketgen.errors import AdminRequiredError, TaskTimeoutError, TemporaryError, TicketgenError

__all__ = [
    "ConnectionLostError",
    "UnexpectedError",
    "diagnose",
    "timed_out",
]


class UnexpectedError(AdminRequiredError):
    """A handler raised something nobody expected: a fault in our code or the plugin's."""

    code = "unexpected"


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


def timed_out(limit: timedelta, *, blocked: bool = False) -> TaskTimeoutError:
    """The failure of an attempt that was stopped at its time limit.

    `blocked`: it held up the whole worker process, which had to be ended.
    """
    how = ", and with it the worker process that it had blocked" if blocked else ""
    return TaskTimeoutError(
        f"The task was stopped after its time limit of {limit}{how}.",
        recovery_actions=[
            "Start it again; if it is stopped again, ask an administrator to raise the limit."
        ],
    )


def _details(error: BaseException) -> dict[str, Any]:
    return {
        "exception": f"{type(error).__name__}: {error}"[:2_000],
        "traceback": "".join(traceback.format_exception(error))[-8_000:],
    }
