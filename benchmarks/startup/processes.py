"""One real process: when it was started, what it has used so far, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Started", "environment_in", "started"]

_TICKS = os.sysconf("SC_CLK_TCK")

_END_WITHIN = 30.0

_OTHERS = frozenset({"DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE"})


@dataclass(frozen=True, kw_only=True)
class Started:
    """A process of the moment."""

    process: subprocess.Popen[bytes]
    at: float
    """When it was about to be started, as `time.time()` says."""

    @property
    def cpu(self) -> float:
        """Processor seconds so far, its own and the system's."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICKS

    @property
    def megabytes(self) -> float:
        """Resident now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
        return int(kilobytes) / 1024

    def require_alive(self) -> None:
        """Refuse to wait for a process that has ended.

        Raises:
            RuntimeError: it has; what it said has been shown.
        """
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.returncode}")


def environment_in(directory: Path) -> dict[str, str]:
    """The environment of a process: no setting of a host, and modules that are compiled.

    Those of a wheel are. A checkout may have been installed without, and told not to do it: then
    every process would compile all of ours. The first one that is started fills the directory,
    unless PYTHONPYCACHEPREFIX names another.
    """
    kept = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 - a child needs PATH, HOME and the like
        if not name.startswith(("TICKETGEN_", "ARQ_")) and name not in _OTHERS
    }
    return {"PYTHONPYCACHEPREFIX": str(directory / "compiled")} | kept


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Started]:
    """Run a process until the block ends, and wait for its end; its output goes to a file."""
    with log.open("ab") as said:
        at = time.time()
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            yield Started(process=process, at=at)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
