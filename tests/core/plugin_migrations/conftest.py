from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.database import create_engine
from ticketgen.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without the plugin of this repository that has tables: the test's are the only ones."""
    return settings.model_copy(update={"blocked_plugins": ("processing",)})


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """On a database with the tables of the host and of the plugins of this repository."""
    made = create_engine(settings)
    yield made
    await made.dispose()
