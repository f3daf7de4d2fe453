"""A folder for the files of an export: replaced if it holds an earlier one, else left alone."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

from ticketgen.errors import InvalidInputError, TemporaryError

__all__ = ["require_free", "unpack"]

_MARKS = ("tickets.jsonl", "findings.json")
"""Files by which a folder shows that it holds an export of ours, or what came of a demo."""


def require_free(folder: Path) -> None:
    """Refuse to write among files that are not ours, or where nothing can be written.

    Raises:
        InvalidInputError: the folder exists and holds something else than an earlier export.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(
            f"{folder} is a file.", recovery_actions=["Choose another folder with --out."]
        )
    is_ours = any((folder / mark).is_file() for mark in _MARKS)
    if folder.is_dir() and any(folder.iterdir()) and not is_ours:
        raise InvalidInputError(
            f"{folder} holds files that are not an export.",
            recovery_actions=["Choose an empty folder with --out."],
        )
    # Asked, not tried: a command that fails later is to leave nothing behind.
    present = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(present, os.W_OK | os.X_OK):
        raise InvalidInputError(
            f"{present} cannot be written to.",
            recovery_actions=["Choose another folder with --out."],
        )


def unpack(archive: bytes, folder: Path) -> list[str]:
    """Replace the export in the folder by the files of the archive; their names.

    Raises:
        TemporaryError: it is no archive, or not a whole one.
        InvalidInputError: the folder cannot be written to.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            names = files.namelist()
            shutil.rmtree(folder / "adf", ignore_errors=True)
            files.extractall(folder)  # zipfile itself keeps every member inside the folder
    except zipfile.BadZipFile as error:
        raise TemporaryError(
            f"The export did not arrive whole: {error}.",
            recovery_actions=["Download it again."],
        ) from error
    except OSError as error:
        raise InvalidInputError(
            f"{folder} cannot be written to: {error.strerror}.",
            recovery_actions=["Choose another folder with --out."],
        ) from error
    return names
