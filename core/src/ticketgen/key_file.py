"""The key of a data directory: made once, kept for good, readable by its owner alone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ticketgen.errors import ConfigurationError
from ticketgen.sealing import is_key, new_key

__all__ = ["keep_key", "key_file", "read_key"]


def key_file(directory: Path) -> Path:
    """Where the key of a data directory is kept."""
    return directory / "secret.key"


def read_key(directory: Path) -> str | None:
    """The key of a data directory, if it has one.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    path = key_file(directory)
    try:
        text = path.read_text(encoding="ascii").strip()
        path.chmod(0o600)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise _unusable(path) from error
    if not is_key(text):
        raise _unusable(path)
    return text


def keep_key(directory: Path) -> str:
    """The key of a data directory; made and kept if there was none.

    Raises:
        ConfigurationError: the file cannot be read or written, or holds something else.
    """
    kept = read_key(directory)
    if kept is not None:
        return kept
    path = key_file(directory)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, because a rename would replace the key that another process has just made.
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    except OSError as error:
        raise _unusable(path) from error
    made = read_key(directory)
    assert made is not None, "it was linked, or was there"  # noqa: S101
    return made


def _unusable(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The key in {path} cannot be used.",
        recovery_actions=[
            "Restore the file from a backup: without it, what was sealed with it is lost.",
            "Or move it away, and a new one is made; users then connect their accounts again.",
        ],
    )
