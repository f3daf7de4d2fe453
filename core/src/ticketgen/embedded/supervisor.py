"""Servers live exactly as long as the process that wanted them: this script sees to it.

Run as `python -I -S supervisor.py OPTIONS`, with nothing but the standard library, so that it is
up in tens of milliseconds and owes nothing to the environment. It reads commands, one JSON object
a line, from a socket whose other end is held by the parent, and answers each with one line. When
that socket ends, or the parent's id changes (a forked child may hold the socket open), it stops
the servers gently and ends. It is single-threaded on purpose: that makes the user namespace, the
`preexec_fn`, and the death signal of Linux reliable.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ["Supervisor", "main"]

_TICK = 0.25
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

Message = dict[str, Any]


class Supervisor:
    """Starts, stops and watches child processes as the parent commands."""

    def __init__(self, *, control: socket.socket, parent: int, inherited: list[int]) -> None:
        self._control = control
        self._parent = parent
        self._inherited = inherited
        self._servers: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
        self._told_to_stop = False
        self._commands: dict[str, Callable[[Message], Message]] = {
            "enter_namespace": self._enter_namespace,
            "become": self._become,
            "run": self._run,
            "start": self._start,
            "stop": self._stop,
            "poll": self._poll,
        }

    def serve(self) -> None:
        """Answer commands until the parent is gone or a SIGTERM comes; then stop all servers."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Handlers, not SIG_IGN: being ignored would be inherited by the servers.
            signal.signal(number, self._on_signal)
        try:
            self._answer_all()
        finally:
            self._stop_all(grace=20.0)

    def _answer_all(self) -> None:
        pending = b""
        while not self._told_to_stop and not self._is_orphan():
            if not select.select([self._control], [], [], _TICK)[0]:
                continue
            received = self._receive()
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                self._answer(line)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._told_to_stop = self._told_to_stop or number == signal.SIGTERM

    def _is_orphan(self) -> bool:
        return os.getppid() != self._parent

    def _receive(self) -> bytes:
        try:
            return self._control.recv(65536)
        except ConnectionError:
            return b""

    def _answer(self, line: bytes) -> None:
        message: Message = json.loads(line)
        try:
            answer = self._commands[message["do"]](message)
        except (OSError, subprocess.SubprocessError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(answer).encode() + b"\n")

    def _enter_namespace(self, message: Message) -> Message:
        """Be `uid` in a namespace of our own while staying the same user to every file."""
        outside = (os.geteuid(), os.getegid())
        if _LIBC is None:
            raise OSError("user namespaces are a feature of Linux")
        if _LIBC.unshare(_CLONE_NEWUSER) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{message['uid']} {outside[0]} 1")
        Path("/proc/self/gid_map").write_text(f"{message['gid']} {outside[1]} 1")
        return {}

    def _become(self, message: Message) -> Message:
        """Change the user for good; `directory` stays reachable through an open descriptor."""
        path = message["directory"]
        if sys.platform == "linux":
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            os.set_inheritable(descriptor, True)
            self._inherited.append(descriptor)
            path = f"/proc/self/fd/{descriptor}"
        os.setgroups([])
        os.setgid(message["gid"])
        os.setuid(message["uid"])
        return {"path": path}

    def _run(self, message: Message) -> Message:
        process = self._spawn(message, stop_signal=signal.SIGKILL)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(message["input"].encode())
                process.stdin.close()
        while process.poll() is None:
            if self._is_orphan() or self._told_to_stop:
                process.kill()
            time.sleep(0.005)
        return {"status": process.returncode}

    def _start(self, message: Message) -> Message:
        stop_signal = int(message["stop_signal"])
        process = self._spawn(message, stop_signal=stop_signal)
        self._servers[message["name"]] = (process, stop_signal)
        return {"pid": process.pid}

    def _stop(self, message: Message) -> Message:
        process, stop_signal = self._servers[message["name"]]
        self._end([(process, message.get("signal") or stop_signal)], grace=message["grace"])
        return {"status": process.returncode}

    def _poll(self, message: Message) -> Message:
        return {"ended": {name: item[0].poll() for name, item in self._servers.items()}}

    def _spawn(self, message: Message, *, stop_signal: int) -> subprocess.Popen[bytes]:
        def die_with_the_supervisor() -> None:
            # A second line of defence on Linux, for a supervisor that is killed outright.
            if _LIBC is not None:
                _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
            if os.getppid() != supervisor:
                os._exit(1)

        supervisor = os.getpid()
        with Path(message["log"]).open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the parent names its own binaries
                message["argv"],
                stdin=subprocess.PIPE if "input" in message else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=message["env"],
                pass_fds=self._inherited,
                preexec_fn=die_with_the_supervisor,
            )

    def _stop_all(self, *, grace: float) -> None:
        self._end(list(self._servers.values()), grace=grace)

    def _end(self, targets: list[tuple[subprocess.Popen[bytes], int]], *, grace: float) -> None:
        """Ask; insist after `grace` seconds (Postgres ends its children on SIGQUIT); then kill."""
        for process, number in targets:
            if process.poll() is None:
                process.send_signal(number)
        for last_resort in (signal.SIGQUIT, signal.SIGKILL):
            deadline = time.monotonic() + grace
            while any(process.poll() is None for process, _ in targets):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.005)
            for process, _ in targets:
                if process.poll() is None:
                    process.send_signal(last_resort)
            grace = 5.0
        for process, _ in targets:
            process.wait()


def main(arguments: list[str]) -> None:
    """Serve with the options the parent gave as one JSON object."""
    options: Message = json.loads(arguments[0])
    os.umask(0o077)
    with socket.socket(fileno=options["control"]) as control:
        supervisor = Supervisor(
            control=control, parent=options["parent"], inherited=options["inherited"]
        )
        supervisor.serve()
    _tidy(options["leftovers"])


def _tidy(leftovers: list[str]) -> None:
    """Remove the files and then-empty folders of a run; what cannot be removed does no harm."""
    for name in leftovers:
        path = Path(name)
        with contextlib.suppress(OSError):
            if path.is_dir():
                for entry in path.iterdir():
                    entry.unlink()
                path.rmdir()
            else:
                path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
