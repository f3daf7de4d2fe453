"""A client of the API for programs: starts runs, looks at them, and watches them to the end.

Whatever happens to the connection in between, a watcher gets the ending, and gets it once::

    from ticketgen.client import Client

    async with Client("http://127.0.0.1:8000", token=token) as client:
        started = await client.start("processing", session_id)
        run = await client.wait(started.task_id, seen=lambda message: print(message.current_stage))

It goes by WebSocket, by server-sent events where a proxy lets no WebSocket through, and by
polling where neither can be had. What its messages mean is told in `docs/progress.md`.
"""

from __future__ import annotations

from ticketgen.client.api import Client
from ticketgen.client.errors import (
    ApiConflictError,
    ApiError,
    ApiForbiddenError,
    ApiNotFoundError,
    ApiProblemError,
    ApiUnauthenticatedError,
    ApiUnreachableError,
    ForeignAnswerError,
    PluginOutOfUseError,
)
from ticketgen.client.models import Pace, Run, StartedRun, Stream, TaskStatus
from ticketgen.progress_messages import ProgressMessage

__all__ = [
    "ApiConflictError",
    "ApiError",
    "ApiForbiddenError",
    "ApiNotFoundError",
    "ApiProblemError",
    "ApiUnauthenticatedError",
    "ApiUnreachableError",
    "Client",
    "ForeignAnswerError",
    "Pace",
    "PluginOutOfUseError",
    "ProgressMessage",
    "Run",
    "StartedRun",
    "Stream",
    "TaskStatus",
]
