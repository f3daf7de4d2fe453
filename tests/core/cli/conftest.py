"""A prompt for the tests of commands that talk to the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.cli.prompting import SHEETS, Prompt, prompting
from ticketgen.testing import LiveApi


@pytest.fixture
async def prompt(live_api: LiveApi, clean_environment: pytest.MonkeyPatch) -> AsyncIterator[Prompt]:
    """A prompt of mia's, with a worker."""
    async with prompting(live_api, clean_environment) as opened:
        yield opened


@pytest.fixture
def specification(tmp_path: Path) -> Path:
    """A folder with two sheets, of which one has an error, and a file that is none."""
    folder = tmp_path / "specification"
    folder.mkdir()
    for name, content in SHEETS.items():
        (folder / name).write_bytes(content)
    (folder / "read me.txt").write_text("This is no sheet.")
    (folder / "~$Bundles.xlsx").write_text("A lock of a spreadsheet program.")
    return folder
