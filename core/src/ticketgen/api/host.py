"""The runtime behind a request; for core's own routes, plugins get its parts by name."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from ticketgen.runtime import Runtime

__all__ = ["HostRuntime"]


async def _host_runtime(connection: HTTPConnection) -> Runtime:
    """The runtime the app was created with.

    A coroutine like every other dependency: FastAPI runs plain functions in a thread, which under
    load takes longer than what is asked for.
    """
    runtime: Runtime = connection.app.state.runtime
    return runtime


HostRuntime = Annotated[Runtime, Depends(_host_runtime)]
