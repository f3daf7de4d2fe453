"""The specification of a small, invented museum site, for a first look without files of one's own.

It is as clean as real sheets get: a blank separator row, one failed formula, and one field that
refers to a vocabulary nobody defined.
"""

from __future__ import annotations

from importlib.resources import files

__all__ = ["sample_files"]


def sample_files() -> dict[str, bytes]:
    """The CSV files by name, as somebody would upload them."""
    folder = files(__name__)
    return {
        entry.name: entry.read_bytes()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".csv")
    }
