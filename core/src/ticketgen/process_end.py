"""Ends a process that has done its work, whatever a thread or a coroutine in it goes on doing."""

from __future__ import annotations

import os
import threading
import time

import structlog

__all__ = ["end_process_soon"]

_log = structlog.get_logger(__name__)

_INTERPRETER_SECONDS = 3.0
"""What the interpreter may take to end once everything is closed."""


def end_process_soon() -> None:
    """Let the interpreter end by itself in some seconds, and end it hard if it does not.

    It waits for coroutines that swallow their cancellation, and for threads, for ever. To be
    called where the process is one's own, and nothing is left to do in it.
    """

    def end() -> None:
        time.sleep(_INTERPRETER_SECONDS)
        stuck = [t.name for t in threading.enumerate() if not t.daemon]
        _log.error("process_ended_hard", threads=stuck)
        os._exit(1)

    threading.Thread(target=end, name="end-of-process", daemon=True).start()
