"""Where do the peers come from, and in which versions?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs

__all__ = ["PINNED", "default_folder", "prepare_environment", "versions_in"]

PINNED: Mapping[str, tuple[str, ...]] = {
    "arq": ("arq==0.28.0",),
    "dramatiq": ("dramatiq[redis]==2.2.1", "hiredis==3.5.0"),
    "procrastinate": ("procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"),
    "saq": ("saq[redis]==0.26.4", "hiredis==3.5.0", "typing-extensions==4.16.0"),
    "streaq": ("streaq==7.2.0",),
    "taskiq": ("taskiq==0.13.0", "taskiq-redis==1.2.4", "hiredis==3.5.0"),
}
"""What is installed into the environment of each peer; with the fast parser of replies that our
own client uses, where the peer's client can use it."""

_SAID = {
    "arq",
    "coredis",
    "dramatiq",
    "hiredis",
    "procrastinate",
    "psycopg",
    "redis",
    "saq",
    "streaq",
    "taskiq",
    "taskiq-redis",
}
"""Distributions whose versions are reported."""


def default_folder() -> Path:
    """Where environments are kept between runs."""
    return platformdirs.user_cache_path("ticketgen") / "queue-peers"


def prepare_environment(folder: Path, name: str) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there yet.

    Raises:
        RuntimeError: it could not be made; the message ends as pip's did.
    """
    home = folder / name
    made, wanted = home / "made.json", list(PINNED[name])
    python = home / "bin" / "python"
    if made.is_file() and json.loads(made.read_text(encoding="utf-8")) == wanted:
        return python
    folder.mkdir(parents=True, exist_ok=True)
    _run(sys.executable, "-m", "venv", "--clear", str(home))
    _run(str(python), "-m", "pip", "install", "--quiet", *wanted)
    made.write_text(json.dumps(wanted), encoding="utf-8")
    return python


def versions_in(python: Path) -> dict[str, str]:
    """Versions of what an interpreter would use, of the distributions that matter here."""
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {entry["name"].lower(): entry["version"] for entry in json.loads(listed.stdout)}
    return {name: version for name, version in sorted(found.items()) if name in _SAID}


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stderr[-2000:]}")
