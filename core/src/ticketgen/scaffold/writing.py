"""Puts the files of a new plugin into a directory, and never over what is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ticketgen.errors import ConflictError

__all__ = ["write_files"]

_HARMLESS = {".git"}
"""What a directory may have and still count as empty: a repository is often made first."""


def write_files(directory: Path, files: Mapping[str, str]) -> None:
    """Write every file below the directory, which is made if it is not there.

    Raises:
        ConflictError: something is there already; nothing was written.
        OSError: it cannot be written there.
    """
    _refuse_inhabited(directory)
    for path, text in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)


def _refuse_inhabited(directory: Path) -> None:
    elsewhere = ["Name another directory with --directory, or move away what is there."]
    if directory.exists() and not directory.is_dir():
        raise ConflictError(f"{directory} is a file.", recovery_actions=elsewhere)
    found = sorted(path.name for path in directory.iterdir()) if directory.exists() else []
    inhabitants = [name for name in found if name not in _HARMLESS]
    if inhabitants:
        raise ConflictError(
            f"{directory} is not empty: it has {inhabitants[0]!r}.", recovery_actions=elsewhere
        )
