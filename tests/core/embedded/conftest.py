"""One pair of servers for the tests that leave them running, ready-made data for the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ticketgen.embedded import EmbeddedServers
from ticketgen.testing.servers import session_servers


@pytest.fixture(scope="package")
def servers() -> Iterator[EmbeddedServers]:
    with session_servers() as running:
        yield running


@pytest.fixture(scope="package")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("prepared")
    with EmbeddedServers(directory, durable=False):
        pass
    return directory


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """A data directory of the test's own that was used before; spares it the first start."""
    return shutil.copytree(prepared, tmp_path / "data")
