"""Lets a child process end with the parent that started it, however the parent ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

__all__ = ["end_with_parent"]

_HARD_END_SECONDS = 15


def end_with_parent() -> None:
    """Watch standard input, a pipe that the parent holds open; at its end, end too.

    Gently first, as on SIGTERM, and for good a little later. A signal at the parent's death
    would be Linux only, and would come at the death of the *thread* that started us.
    """

    def watch() -> None:
        # The file descriptor, not sys.stdin: a daemon thread must not hold its lock at exit.
        while os.read(sys.__stdin__.fileno() if sys.__stdin__ else 0, 4096):
            continue
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_HARD_END_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
