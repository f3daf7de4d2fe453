"""The parent's end of the supervisor: one command, one answer."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ticketgen.embedded import supervisor
from ticketgen.embedded.problems import EmbeddedServersError, ServersLostError

__all__ = ["SERVER_ENVIRONMENT", "CommandRefusedError", "Control"]

SERVER_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""All that the servers see of the environment: a stray PGOPTIONS must not reach them."""


_LONGEST_ANSWER = 120.0
_LONGEST_END = 60.0


class CommandRefusedError(EmbeddedServersError):
    """The supervisor could not do what it was told; the message is the system's."""

    code = "embedded.command_refused"


class Control:
    """A running supervisor; the servers end when this object's process does."""

    def __init__(self, *, log: Path, lock: int, leftovers: Sequence[Path]) -> None:
        ours, theirs = socket.socketpair()
        options = {
            "control": theirs.fileno(),
            "parent": os.getpid(),
            "inherited": [lock],
            "leftovers": [str(path) for path in leftovers],
        }
        try:
            with theirs, log.open("ab") as output:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and script
                    [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(options)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                    pass_fds=(theirs.fileno(), lock),
                    # Ctrl-C goes to a terminal's whole process group: the parent alone decides.
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        ours.settimeout(_LONGEST_ANSWER)
        self._socket = ours
        self._answers = ours.makefile("rb")
        self._turn = threading.Lock()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def call(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Have a command carried out.

        Raises:
            CommandRefusedError: it could not be; nothing was started.
            ServersLostError: the supervisor is gone.
        """
        message = json.dumps({"do": command, **arguments}).encode() + b"\n"
        with self._turn:
            try:
                self._socket.sendall(message)
                line = self._answers.readline()
            except (OSError, ValueError):
                line = b""
        if not line:
            raise ServersLostError(
                "The supervisor of the embedded servers ended unexpectedly.",
                recovery_actions=["Start again; what was stored is kept."],
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise CommandRefusedError(answer["error"])
        return answer

    def close(self) -> None:
        """Let go: the supervisor stops its servers; wait until it has."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._answers.close()
        self._socket.close()
        try:
            self._process.wait(timeout=_LONGEST_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
