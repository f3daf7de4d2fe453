from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, update
from uuid_utils.compat import uuid7

from tests.core import lab
from tests.core.api.expecting import refused
from ticketgen.domain import workers
from ticketgen.domain.workers import WorkerProcess
from ticketgen.settings import Settings
from ticketgen.testing import Api
from ticketgen.testing.driving import working

pytestmark = pytest.mark.services

_EXPIRY = timedelta(minutes=2)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"heartbeat_interval": timedelta(seconds=0.3), "heartbeat_expiry": _EXPIRY}
    )


async def _say_alive(api: Api, worker_id: UUID | None = None, *, pid: int = 17) -> UUID:
    worker_id = worker_id or uuid7()
    async with api.runtime.session_factory() as db:
        await workers.say_alive(
            db,
            worker_id=worker_id,
            host="worker-1",
            pid=pid,
            version="1.2.3",
            task_types=["processing"],
            plugins={"processing": "0.1.0"},
            failed={"acme": "import: ModuleNotFoundError"},
            max_jobs=2,
            running=1,
            lag=0.25,
        )
        await db.commit()
    return worker_id


async def _silence(api: Api, worker_id: UUID, *, seconds: float) -> None:
    async with api.runtime.session_factory() as db:
        await db.execute(
            update(WorkerProcess)
            .where(WorkerProcess.id == worker_id)
            .values(last_seen_at=func.clock_timestamp() - timedelta(seconds=seconds))
        )
        await db.commit()


async def _health(api: Api) -> dict[str, Any]:
    health: dict[str, Any] = (await api.client.get("/health")).json()
    return health


async def test_health_keeps_its_fields_and_lists_what_each_live_worker_serves(api: Api) -> None:
    worker_id = await _say_alive(api)

    health = await _health(api)

    [worker] = health["workers"]
    assert (health["api"], health["worker"]) == ("healthy", "healthy")
    assert health["worker_last_seen"] == worker["last_seen_at"]
    assert worker["id"] == str(worker_id)
    assert (worker["host"], worker["pid"], worker["version"]) == ("worker-1", 17, "1.2.3")
    assert (worker["running"], worker["max_jobs"], worker["lag"]) == (1, 2, 0.25)
    assert worker["plugins"] == {"processing": "0.1.0"}
    assert worker["failed"] == {"acme": "import: ModuleNotFoundError"}


async def test_a_worker_is_healthy_from_its_first_word_to_its_last(api: Api) -> None:
    seen = [(await _health(api))["worker"]]
    heartbeats = set[str]()

    async def several_heartbeats() -> bool:
        health = await _health(api)
        seen.append(health["worker"])
        heartbeats.add(health["worker_last_seen"])
        return len(heartbeats) > 2

    async with working(api.runtime):
        await lab.until(several_heartbeats)
    seen.append((await _health(api))["worker"])

    assert seen[0] == seen[-1] == "unhealthy"
    assert set(seen[1:-1]) == {"healthy"}


async def test_a_killed_worker_is_unhealthy_after_the_expiry_and_not_before(api: Api) -> None:
    worker_id = await _say_alive(api)

    await _silence(api, worker_id, seconds=_EXPIRY.total_seconds() * 0.5)
    before = await _health(api)
    await _silence(api, worker_id, seconds=_EXPIRY.total_seconds() + 0.1)
    after = await _health(api)

    assert (before["worker"], len(before["workers"])) == ("healthy", 1)
    assert (after["worker"], after["workers"]) == ("unhealthy", [])
    assert after["worker_last_seen"] is None


async def test_at_the_defaults_health_is_never_wrong_for_longer_than_thirty_seconds() -> None:
    fields = Settings.model_fields

    assert fields["heartbeat_expiry"].default <= timedelta(seconds=30)
    assert 2 * fields["heartbeat_interval"].default < fields["heartbeat_expiry"].default


async def test_the_workers_of_the_last_day_are_listed_with_what_became_of_them(api: Api) -> None:
    stopped, silent, live = [await _say_alive(api, pid=pid) for pid in (1, 2, 3)]
    await _silence(api, silent, seconds=1.5 * _EXPIRY.total_seconds())
    async with api.runtime.session_factory() as db:
        await workers.say_farewell(db, stopped)
        await db.commit()

    listed = (await api.client.get("/api/workers")).json()
    everyone = (await api.client.get("/api/workers?all=true")).json()

    assert [worker["id"] for worker in listed] == [str(live)]
    assert [worker["state"] for worker in everyone] == ["stopped", "silent", "live"]
    assert [worker["stopped_at"] is not None for worker in everyone] == [True, False, False]


async def test_the_workers_are_shown_to_users_only(api: Api) -> None:
    answer = await api.client.get("/api/workers", headers={"Authorization": ""})

    refused(answer, 401, "authentication")
