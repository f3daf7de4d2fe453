from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.core.plugin_migrations.sources import first, plugin_with_tables
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.users import User
from ticketgen.testing import Api, drain, upgrade_plugins

pytestmark = pytest.mark.services


async def test_rows_of_a_stranger_refer_to_sessions_and_go_with_them(
    install_plugin: Callable[..., Any], api: Api
) -> None:
    installed = install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    await upgrade_plugins(api.runtime.settings)
    label: Any = sys.modules[installed.module].Label
    long_ago = datetime.now(UTC) - timedelta(days=100)
    async with api.runtime.unit_of_work() as unit:
        owner = await unit.db.scalar(select(User.id).where(User.name == "mia"))
        session = WorkSession(owner_id=owner, name="Tidemark")
        unit.db.add(session)
        await unit.db.flush()
        unit.db.add(label(session_id=session.id, text="reefs"))

    async with api.runtime.unit_of_work() as unit:
        joined = await unit.db.execute(select(label, WorkSession).join(WorkSession))
        [(found, of)] = [(row[0], row[1].name) for row in joined]
        an_hour_before = select(label.made_at - timedelta(hours=1)).where(
            label.made_at < func.clock_timestamp() + timedelta(hours=1)
        )
        [earlier] = await unit.db.scalars(an_hour_before)
        await unit.db.execute(update(WorkSession).values(updated_at=long_ago))
    await api.client.post("/api/cleanup.expired_sessions/start", headers=api.as_admin)
    [cleaned] = await drain(api.runtime)

    async with api.runtime.unit_of_work() as unit:
        left = list(await unit.db.scalars(select(label)))
    assert (found.text, of) == ("reefs", "Tidemark")
    assert found.id.version == 7
    assert found.made_at.tzinfo is UTC
    assert (earlier, earlier.tzinfo) == (found.made_at - timedelta(hours=1), UTC)
    assert cleaned.result_summary == {"deleted_sessions": 1}
    assert left == []
