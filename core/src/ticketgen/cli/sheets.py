"""The files that paths at a prompt stand for: of a folder, the sheets in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ticketgen.errors import InvalidInputError

__all__ = ["chosen_sheets", "read_folder"]

_SUFFIXES = frozenset({".csv", ".xlsx"})
_LOCKS = ("~$", ".")
"""What a spreadsheet program leaves beside a file that is open begins with one of these."""


def chosen_sheets(paths: Sequence[Path]) -> tuple[list[Path], int]:
    """The files, each once, those of a folder by name; and how many others the folders hold.

    Raises:
        InvalidInputError: a path leads to nothing, or to what is no file; a folder has no sheets;
            or a name is no text.
    """
    found: list[Path] = []
    others = 0
    for path in paths:
        if path.is_dir():
            inside = _inside(path)
            sheets = [file for file in inside if _is_sheet(file)]
            if not sheets:
                raise _useless(f"{path} has no .csv or .xlsx files.")
            found += sheets
            others += len(inside) - len(sheets)
        elif path.is_file():
            found.append(path)
        else:
            raise _useless(f"{path} is {'no file' if path.exists() else 'not there'}.")
    for path in found:
        _require_text(path)
    return list(dict.fromkeys(found)), others


def read_folder(folder: Path) -> dict[str, bytes]:
    """The sheets of a folder, by name.

    Raises:
        InvalidInputError: it is no folder, has no sheets, or one that cannot be read.
    """
    if not folder.is_dir():
        raise InvalidInputError(
            f"{folder} is no folder.", recovery_actions=["Name the folder that holds the sheets."]
        )
    try:
        return {path.name: path.read_bytes() for path in chosen_sheets([folder])[0]}
    except OSError as error:
        raise InvalidInputError(
            f"{error.filename} cannot be read: {error.strerror}.",
            recovery_actions=["Correct the file's permissions, or take it out of the folder."],
        ) from error


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.is_dir())
    except OSError as error:
        raise _useless(f"{folder} cannot be read: {error.strerror}.") from error


def _is_sheet(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES and not file.name.startswith(_LOCKS)


def _require_text(path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise _useless(f"The name of {str(path)!r} is not UTF-8.") from None


def _useless(message: str) -> InvalidInputError:
    return InvalidInputError(
        message, recovery_actions=["Name CSV files, workbooks (.xlsx), or folders with such."]
    )
