from __future__ import annotations

import pytest

from ticketgen.domain import users
from ticketgen.testing import Api, drain
from ticketgen_cleanup.service import CleanupService

pytestmark = pytest.mark.services

KINDS = ["expired_sessions", "audit_logs", "expired_tokens"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_member_may_not_clean_up(api: Api, kind: str) -> None:
    answer = await api.client.post(f"/api/cleanup.{kind}/start")

    assert answer.status_code == 403
    assert await drain(api.runtime) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_two_clean_ups_of_a_kind_are_one(api: Api, kind: str) -> None:
    first, second = [
        await api.client.post(f"/api/cleanup.{kind}/start", headers=api.as_admin) for _ in range(2)
    ]

    assert first.status_code == second.status_code == 202
    assert second.json() == first.json() | {"existing": True}


async def test_the_service_starts_all_three(api: Api) -> None:
    async with api.runtime.unit_of_work() as work:
        await CleanupService(work).clean_up()

    done = await drain(api.runtime)

    assert {run.task_type for run in done} == {f"cleanup.{kind}" for kind in KINDS}
    assert {run.status for run in done} == {"completed"}


async def test_a_clean_up_leaves_users_and_their_good_tokens_alone(api: Api) -> None:
    for kind in KINDS:
        await api.client.post(f"/api/cleanup.{kind}/start", headers=api.as_admin)

    await drain(api.runtime)

    async with api.runtime.session_factory() as db:
        assert {user.name for user in await users.list_users(db)} == {"mia", "ada", "otto"}
    assert (await api.client.get("/api/sessions")).status_code == 200
