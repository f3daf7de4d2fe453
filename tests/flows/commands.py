"""The commands as processes, and the processes they leave or do not leave behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKETGEN = [sys.executable, "-m", "ticketgen"]
MARK = "TICKETGEN_TEST_MARK"
"""In the environment of a command and of whatever it starts, so that all of it can be found."""


def environment(mark: str, **extra: str) -> dict[str, str]:
    """The environment without settings of a host, and with the mark."""
    kept = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 - handed to a process
        if not name.startswith(("TICKETGEN_", "ARQ_")) and name not in {"DATABASE_URL", "REDIS_URL"}
    }
    return {**kept, MARK: mark, "COLUMNS": "200", "TERM": "dumb", **extra}


def marked(mark: str) -> dict[int, str]:
    """Process id → command line of every live process that carries the mark."""
    found: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            variables = (folder / "environ").read_bytes().split(b"\0")
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state != "Z" and f"{MARK}={mark}".encode() in variables:
            found[int(folder.name)] = line
    return found


def eventually(holds: Callable[[], bool], *, within: float = 60.0) -> bool:
    """Whether it comes true, long before anybody would give up."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def run(
    *arguments: str, cwd: Path, mark: str = "none", timeout: float = 100, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of `ticketgen` to its end."""
    return subprocess.run(
        [*TICKETGEN, *arguments],
        cwd=cwd,
        env=environment(mark, **extra),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@dataclass(frozen=True, kw_only=True)
class Up:
    """A running `ticketgen up`."""

    process: subprocess.Popen[bytes]
    mark: str
    data_dir: Path
    log: Path
    greeting: str

    @property
    def url(self) -> str:
        return self._found(r"ticketgen is up at (http://\S+)")

    @property
    def pass_url(self) -> str:
        return self._found(r"websockets '(\S+)'")

    @property
    def session_id(self) -> str:
        return self._found(r"stream-pass (\S+) processing")

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    def children(self, part: str) -> list[int]:
        """The processes of it with these words in their command lines."""
        return [pid for pid, line in marked(self.mark).items() if part in line]

    def _found(self, pattern: str) -> str:
        match = re.search(pattern, self.greeting)
        assert match is not None, self.greeting
        return match[1]


@contextmanager
def up(data_dir: Path, mark: str, *, python: str = sys.executable, **extra: str) -> Iterator[Up]:
    """`ticketgen up` on any port, from its greeting on; killed in the end if it still runs."""
    log = data_dir.with_name(f"{data_dir.name}-{mark}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [python, "-m", "ticketgen", "up", "--port", "0", "--data-dir", str(data_dir)],
            env=environment(mark, **extra),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        greeted = eventually(
            lambda: "Ctrl-C stops" in log.read_text() or process.poll() is not None
        )
        assert greeted, log.read_text()
        assert process.poll() is None, log.read_text()
        yield Up(process=process, mark=mark, data_dir=data_dir, log=log, greeting=log.read_text())
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=60)
