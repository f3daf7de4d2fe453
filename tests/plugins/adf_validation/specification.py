"""The examples of the CommonMark and GitHub specifications, from the sources of a package."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

__all__ = ["specification_examples"]

_PACKAGE = "marko==2.2.4"
"""Its source distribution holds both texts; its wheel does not, hence the download."""
_TEXTS = ("commonmark.txt", "gfm.txt")
_LONGEST_WAIT = 60
_EXAMPLE = re.compile(r"^`{32} example[^\n]*\n(.*?)^\.\n.*?^`{32}$", re.MULTILINE | re.DOTALL)


def specification_examples(cache: pytest.Cache, name: str) -> list[str]:
    """The Markdown of every example; the test is skipped where the text cannot be had."""
    folder = cache.mkdir("markdown-specifications")
    if not all((folder / text).exists() for text in _TEXTS):
        _download(folder)
    examples = _EXAMPLE.findall((folder / name).read_text(encoding="utf-8"))
    return [example.replace("→", "\t") for example in examples]


def _download(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary"]
    try:
        subprocess.run(
            [*command, ":all:", "--dest", str(folder), _PACKAGE],
            check=True,
            capture_output=True,
            timeout=_LONGEST_WAIT,
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"{_PACKAGE}, whose sources hold the examples, cannot be had: {error}")
    with tarfile.open(next(folder.glob("marko-*.tar.gz"))) as sources:
        for member in sources:
            name = Path(member.name).name
            if name in _TEXTS and (found := sources.extractfile(member)) is not None:
                # Replaced at once, since another process of the suite may be reading.
                partial = folder / f"{name}.partial"
                partial.write_bytes(found.read())
                partial.replace(folder / name)
