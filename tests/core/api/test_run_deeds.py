from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.core import lab
from tests.core.api.expecting import refused
from ticketgen import Caller, TaskContext
from ticketgen.domain import users
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import InvalidInputError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, drain
from ticketgen.testing.driving import working

pytestmark = pytest.mark.services


async def _patient(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
    await asyncio.sleep(1_000)
    return {}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"cancel_interval": timedelta(seconds=0.1)})


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """A host with tasks that succeed, that fail, and that work until they are told to stop."""
    failing = lab.raising(InvalidInputError("It cannot be done."))
    async with lab.open_lab(
        settings,
        lab.session_task(),
        lab.session_task("lab.failing", failing),
        lab.session_task("lab.admins", failing, startable_by=Caller.ADMIN),
        lab.task("lab.patient", _patient),
    ) as opened:
        yield opened


async def _session(api: Api, *, owner: str = "mia") -> UUID:
    async with api.runtime.session_factory() as db:
        user = await users.get_user_by_name(db, owner)
        session = WorkSession(owner_id=user.id, name="Harbour Museum", stage=Stage.UPLOAD)
        db.add(session)
        await db.commit()
    return session.id


async def _start(api: Api, address: str, **options: Any) -> str:
    answer = await api.client.post(address, **options)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["task_id"])


async def _failed(api: Api, session_id: UUID, task: str = "lab.failing") -> str:
    run_id = await _start(api, f"/api/{task}/start/{session_id}", headers=api.as_admin)
    await drain(api.runtime)
    return run_id


async def _do(api: Api, run_id: str, deed: str, **options: Any) -> httpx2.Response:
    return await api.client.post(f"/api/runs/{run_id}/{deed}", **options)


async def _run(api: Api, run_id: str) -> dict[str, Any]:
    found = await api.client.get(f"/api/runs/{run_id}", headers=api.as_admin)
    run: dict[str, Any] = found.json()
    return run


@asynccontextmanager
async def _at_work(api: Api, run_id: str) -> AsyncIterator[None]:
    async with working(api.runtime) as runner:
        at_work = asyncio.create_task(runner.run(UUID(run_id)))
        while (await _run(api, run_id))["state"] != "running":  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)
        yield
        await asyncio.wait_for(at_work, lab.PATIENCE)


async def test_a_run_that_waits_is_cancelled_at_once(api: Api) -> None:
    session_id = await _session(api)
    run_id = await _start(api, f"/api/lab/start/{session_id}")

    answer = await _do(api, run_id, "cancel")

    assert answer.status_code == 202
    assert answer.json()["state"] == answer.json()["status"] == "cancelled"
    assert answer.json()["finished_at"] is not None
    assert await drain(api.runtime) == []


async def test_a_run_at_work_is_asked_to_stop_and_stops(api: Api) -> None:
    run_id = await _start(api, "/api/lab.patient/start", headers=api.as_admin)

    async with _at_work(api, run_id), asyncio.timeout(lab.PATIENCE):
        answer = await _do(api, run_id, "cancel", headers=api.as_admin)
        again = await _do(api, run_id, "cancel", headers=api.as_admin)
        while (await _run(api, run_id))["state"] == "running":  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)

    [attempt] = (await api.client.get(f"/api/runs/{run_id}/attempts", headers=api.as_admin)).json()
    assert (answer.status_code, again.status_code) == (202, 202)
    assert answer.json()["cancel_requested_at"] is not None
    assert (await _run(api, run_id))["status"] == "cancelled"
    assert attempt["outcome"] == "cancelled"


async def test_an_attempt_at_work_shows_its_worker_and_its_lease_and_an_ended_one_how(
    api: Api,
) -> None:
    run_id = await _start(api, "/api/lab.patient/start", headers=api.as_admin)
    address = f"/api/runs/{run_id}/attempts"

    before = (await api.client.get(address, headers=api.as_admin)).json()
    async with _at_work(api, run_id):
        [during] = (await api.client.get(address, headers=api.as_admin)).json()
        await _do(api, run_id, "cancel", headers=api.as_admin)
    [after] = (await api.client.get(address, headers=api.as_admin)).json()

    assert before == []
    assert during["attempt"] == 1
    assert ":" in during["worker"]
    assert during["alone"] is False
    assert during["lease_expires_at"] > during["started_at"]
    assert during["ended_at"] is during["outcome"] is None
    assert after["lease_expires_at"] is None
    assert after["ended_at"] > after["started_at"]


async def test_an_attempt_that_failed_names_its_error(api: Api) -> None:
    run_id = await _failed(api, await _session(api))

    [attempt] = (await api.client.get(f"/api/runs/{run_id}/attempts")).json()

    assert attempt["outcome"] == "failed"
    assert attempt["error"] == (await _run(api, run_id))["error"]
    assert attempt["error"]["user_message"] == "It cannot be done."


async def test_what_has_ended_can_not_be_cancelled_but_what_is_cancelled_can_again(
    api: Api,
) -> None:
    session_id = await _session(api)
    failed = await _failed(api, session_id)
    cancelled = await _start(api, f"/api/lab/start/{session_id}")
    await _do(api, cancelled, "cancel")

    refusal = await _do(api, failed, "cancel")
    again = await _do(api, cancelled, "cancel")

    refused(refusal, 409, "not_cancellable")
    assert again.status_code == 202


async def test_owner_starter_and_administrators_may_end_a_run_and_nobody_else(api: Api) -> None:
    session_id = await _session(api)
    by_owner = await _start(api, f"/api/lab/start/{session_id}", headers=api.as_admin)
    foreign = await _do(api, by_owner, "cancel", headers=api.as_other)
    owner = await _do(api, by_owner, "cancel")
    by_starter = await _start(api, f"/api/lab/start/{session_id}")
    async with api.runtime.session_factory() as db:
        otto = await users.get_user_by_name(db, "otto")
        session = await db.get_one(WorkSession, session_id)
        session.owner_id = otto.id
        await db.commit()
    starter = await _do(api, by_starter, "cancel")
    by_admin = await _start(api, f"/api/lab/start/{session_id}", headers=api.as_other)
    not_any_more = await _do(api, by_admin, "cancel")
    admin = await _do(api, by_admin, "cancel", headers=api.as_admin)

    refused(foreign, 403, "permission_denied")
    refused(not_any_more, 403, "permission_denied")
    assert [answer.status_code for answer in (owner, starter, admin)] == [202, 202, 202]


async def test_a_run_is_tried_again_three_times_by_hand_and_no_more(api: Api) -> None:
    session_id = await _session(api)
    first = run_id = await _failed(api, session_id)

    for number in (1, 2, 3):
        answer = await _do(api, run_id, "retry")
        assert answer.status_code == 202, answer.text
        assert answer.json()["existing"] is False
        before, run_id = run_id, answer.json()["task_id"]
        await drain(api.runtime)
        run = await _run(api, run_id)
        assert (run["retry_of"], run["lineage_id"], run["retry_count"]) == (before, first, number)
    fourth = await _do(api, run_id, "retry")
    of_the_first = await _do(api, first, "retry")

    assert "3 times" in refused(fourth, 409, "not_retryable")["message"]
    refused(of_the_first, 409, "not_retryable")


async def test_a_run_that_has_not_ended_is_not_tried_again(api: Api) -> None:
    run_id = await _start(api, f"/api/lab/start/{await _session(api)}")

    refused(await _do(api, run_id, "retry"), 409, "not_retryable")


async def test_a_retry_needs_the_right_to_start_the_task(api: Api) -> None:
    session_id = await _session(api)
    run_id = await _failed(api, session_id, "lab.admins")

    owner = await _do(api, run_id, "retry")
    owner_by_session = await api.client.post(f"/api/lab.admins/retry/{session_id}")
    foreign = await _do(api, run_id, "retry", headers=api.as_other)
    admin = await _do(api, run_id, "retry", headers=api.as_admin)

    for answer in (owner, owner_by_session, foreign):
        refused(answer, 403, "permission_denied")
    assert admin.status_code == 202


async def test_who_gave_a_session_away_tries_nothing_again_in_it(api: Api) -> None:
    session_id = await _session(api)
    run_id = await _start(api, f"/api/lab.failing/start/{session_id}")
    await drain(api.runtime)
    async with api.runtime.session_factory() as db:
        otto = await users.get_user_by_name(db, "otto")
        session = await db.get_one(WorkSession, session_id)
        session.owner_id = otto.id
        await db.commit()

    refused(await _do(api, run_id, "retry"), 403, "permission_denied")


async def test_a_parked_run_says_why_and_an_administrator_may_queue_it_again(api: Api) -> None:
    session_id = await _session(api)
    run_id = await _start(api, f"/api/lab/start/{session_id}")
    reason = {"code": "not_served", "message": "No worker is running."}
    early = await _do(api, run_id, "resume", headers=api.as_admin)
    await lab.change_run(api.runtime, UUID(run_id), state=RunState.PARKED, parked=reason)
    parked = await _run(api, run_id)

    member = await _do(api, run_id, "resume")
    admin = await _do(api, run_id, "resume", headers=api.as_admin)

    refused(early, 409, "conflict")
    assert (parked["status"], parked["state"], parked["parked"]) == ("processing", "parked", reason)
    refused(member, 403, "permission_denied")
    assert admin.status_code == 202
    assert (admin.json()["state"], admin.json()["parked"]) == ("queued", None)


_DEEDS = ["cancel", "retry", "resume", "attempts"]


async def test_nothing_can_be_done_to_a_run_that_is_none(
    api: Api, subtests: pytest.Subtests
) -> None:
    for deed in _DEEDS:
        with subtests.test(deed=deed):
            method = "GET" if deed == "attempts" else "POST"

            answer = await api.client.request(
                method, f"/api/runs/{uuid4()}/{deed}", headers=api.as_admin
            )

            refused(answer, 404, "not_found")


async def test_the_newest_run_of_a_session_is_cancelled_and_tried_again_by_its_task(
    api: Api,
) -> None:
    session_id = await _session(api)
    run_id = await _start(api, f"/api/lab/start/{session_id}")

    cancelled = await api.client.post(f"/api/lab/cancel/{session_id}")
    retried = await api.client.post(f"/api/lab/retry/{session_id}")

    assert (cancelled.json()["task_id"], cancelled.json()["state"]) == (run_id, "cancelled")
    assert retried.status_code == 202
    assert (await _run(api, retried.json()["task_id"]))["retry_of"] == run_id


@pytest.mark.parametrize("deed", ["cancel", "retry"])
async def test_a_task_that_never_ran_in_a_session_has_nothing_to_do_that_to(
    api: Api, deed: str
) -> None:
    session_id = await _session(api)

    never = await api.client.post(f"/api/lab/{deed}/{session_id}")
    foreign = await api.client.post(f"/api/lab/{deed}/{session_id}", headers=api.as_other)

    assert "has not run" in refused(never, 404, "not_found")["message"]
    refused(foreign, 403, "permission_denied")


async def _listed(api: Api, query: str = "", **options: Any) -> list[str]:
    answer = await api.client.get(f"/api/runs{query}", **options)
    assert answer.status_code == 200, answer.text
    return [run["task_id"] for run in answer.json()]


async def test_members_list_what_they_started_and_what_is_in_their_sessions(api: Api) -> None:
    session_id = await _session(api)
    others_id = await _session(api, owner="otto")
    of_system = await _start(api, "/api/lab.patient/start", headers=api.as_admin)
    in_own = await _start(api, f"/api/lab/start/{session_id}", headers=api.as_admin)
    foreign = await _start(api, f"/api/lab/start/{others_id}", headers=api.as_other)

    assert await _listed(api) == [in_own]
    assert await _listed(api, headers=api.as_other) == [foreign]
    assert await _listed(api, headers=api.as_admin) == [foreign, in_own, of_system]
    assert await _listed(api, f"?session_id={others_id}") == []


async def test_runs_are_listed_by_state_type_and_session_in_pages(api: Api) -> None:
    session_id = await _session(api)
    failed = await _failed(api, session_id)
    queued = await _start(api, f"/api/lab/start/{session_id}")

    assert await _listed(api, "?state=failed") == [failed]
    assert await _listed(api, "?state=failed&state=queued") == [queued, failed]
    assert await _listed(api, "?task_type=lab") == [queued]
    assert await _listed(api, f"?session_id={session_id}&limit=1&offset=1") == [failed]
    refused(await api.client.get("/api/runs?state=lost"), 422)
    refused(await api.client.get("/api/runs?limit=0"), 422)
