"""How commands speak: results on standard output, trouble on standard error."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from ticketgen.errors import TicketgenError

__all__ = ["err", "fail", "out", "run"]

ResultT = TypeVar("ResultT")

out = Console()
err = Console(stderr=True)


def fail(error: TicketgenError) -> NoReturn:
    """Say what is wrong and what to do about it, and end with 1."""
    err.print(f"[red]Error:[/red] {escape(error.message)}", soft_wrap=True)
    for action in error.recovery_actions:
        err.print(f"  → {escape(action)}", soft_wrap=True)
    raise typer.Exit(1)


def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a command's coroutine; expected errors end it with a message, not a traceback."""
    try:
        return asyncio.run(work)
    except TicketgenError as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not isinstance(error, _of_servers()):
            raise
        fail(_described(error))


def _of_servers() -> tuple[type[Exception], ...]:
    """What is raised where a server does not answer.

    Imported when it has happened: a worker, too, imports this module with a plugin's commands.
    """
    import httpx2
    from websockets.exceptions import WebSocketException

    return (OSError, httpx2.HTTPError, WebSocketException)


def _described(error: Exception) -> TicketgenError:
    if isinstance(error, OSError) and error.filename is not None:
        return TicketgenError(
            f"{error.filename}: {error.strerror}.",
            recovery_actions=["Choose another place, or have the permissions corrected."],
        )
    return TicketgenError(
        f"A server cannot be reached: {str(error) or type(error).__name__}",
        recovery_actions=["See `ticketgen doctor`."],
    )
