"""How other processes find running servers: a private file beside the data, checked on reading."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ticketgen.embedded.processes import Birth, is_alive

__all__ = ["Endpoint", "attach", "endpoint_file", "write_endpoint", "write_privately"]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where running servers answer, and whose they are."""

    database_url: str
    """Postgres for SQLAlchemy with asyncpg, over a Unix socket."""
    redis_url: str
    """Valkey, over a Unix socket, database 0."""
    owner: Birth
    """The process that started the servers and takes them along when it ends."""
    host: str
    started_at: datetime
    pids: Mapping[str, int]
    """The process ids of `postgres`, `redis` and `supervisor`."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What the owner published beside the servers, such as the address of its API."""


def endpoint_file(directory: Path) -> Path:
    """Where the servers of a data directory are written down while they run."""
    return directory / "endpoint.json"


def attach(directory: Path) -> Endpoint | None:
    """The servers running on this data directory, or None.

    What is left of servers whose owner died, or that run on another host, counts as None.
    """
    try:
        endpoint = _read(endpoint_file(directory).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if endpoint.host != socket.gethostname() or not is_alive(endpoint.owner):
        return None
    return endpoint


def write_endpoint(directory: Path, endpoint: Endpoint) -> None:
    """Write the servers down, readable by their owner alone, in one step."""
    content = asdict(endpoint) | {"started_at": endpoint.started_at.isoformat()}
    write_privately(endpoint_file(directory), json.dumps(content, indent=2) + "\n")


def write_privately(path: Path, text: str) -> None:
    """Replace a file in one step; nobody else can read it at any moment."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _read(text: str) -> Endpoint:
    content = json.loads(text)
    content["owner"] = Birth(**content["owner"])
    content["started_at"] = datetime.fromisoformat(content["started_at"])
    return Endpoint(**content)
