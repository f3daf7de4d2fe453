"""Which process a connection on this machine belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["owner_of"]


def owner_of(peer: str, pids: Iterable[int]) -> int | None:
    """Of the processes the one that has the socket at `host:port`; None if none has.

    None as well on a system that does not tell, which is any but Linux.
    """
    inode = _inode_of(int(peer.rpartition(":")[2]))
    if inode is None:
        return None
    return next((pid for pid in pids if _holds(pid, f"socket:[{inode}]")), None)


def _inode_of(port: int) -> str | None:
    try:
        lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        columns = line.split()
        if int(columns[1].rpartition(":")[2], 16) == port:
            return columns[9]
    return None


def _holds(pid: int, name: str) -> bool:
    try:
        return any(str(link.readlink()) == name for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
