from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.core.api.expecting import BUNDLES, refused
from ticketgen.api.polling import PollLimit
from ticketgen.errors import RateLimitedError
from ticketgen.testing import Api, drain, start_session


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def _spent(limit: PollLimit, user_id: object, thing: str, times: int) -> int:
    """How often of so many times a question was let pass."""
    passed = 0
    for _ in range(times):
        try:
            limit.spend(user_id, thing)  # type: ignore[arg-type]
        except RateLimitedError:
            continue
        passed += 1
    return passed


def test_who_asks_without_pause_is_stopped_and_told_when_to_come_back() -> None:
    clock = _Clock()
    limit, mia = PollLimit(clock), uuid4()

    assert _spent(limit, mia, "run", 100) == 60
    with pytest.raises(RateLimitedError) as stop:
        limit.spend(mia, "run")
    assert stop.value.retry_after == timedelta(seconds=2)

    clock.now += 2
    assert _spent(limit, mia, "run", 5) == 1


def test_who_asks_every_two_seconds_never_is() -> None:
    clock = _Clock()
    limit, mia = PollLimit(clock), uuid4()

    for _ in range(1_000):
        limit.spend(mia, "run")
        clock.now += 2

    assert _spent(limit, mia, "run", 100) == 60


def test_an_allowance_is_of_one_caller_and_one_thing() -> None:
    limit, mia, ada = PollLimit(_Clock()), uuid4(), uuid4()
    _spent(limit, mia, "run", 100)

    assert _spent(limit, ada, "run", 1) == 1
    assert _spent(limit, mia, "other", 1) == 1


def test_what_is_remembered_is_bounded_and_the_full_allowances_go_first() -> None:
    clock = _Clock()
    limit, mia = PollLimit(clock), uuid4()
    for number in range(10_000):
        limit.spend(mia, str(number))
    clock.now += 2
    _spent(limit, mia, "busy", 100)

    limit.spend(mia, "one more")

    assert _spent(limit, mia, "busy", 1) == 0
    assert len(limit._spent) < 10_000


@pytest.mark.services
@pytest.mark.parametrize("by", ["session", "run"])
async def test_a_status_that_has_not_changed_is_not_sent_again(api: Api, by: str) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    started = (await api.client.post(f"/api/processing/start/{session_id}")).json()
    address = {
        "session": f"/api/processing/status/{session_id}",
        "run": f"/api/runs/{started['task_id']}",
    }[by]

    first = await api.client.get(address)
    tag = {"If-None-Match": first.headers["etag"]}
    same = await api.client.get(address, headers=tag)
    weak = await api.client.get(
        address, headers={"If-None-Match": f'"x", W/{tag["If-None-Match"]}'}
    )
    await drain(api.runtime)
    changed = await api.client.get(address, headers=tag)

    assert first.headers["cache-control"] == "no-cache, private"
    for unchanged in (same, weak):
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == first.headers["etag"]
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]
    assert changed.json() != first.json()


@pytest.mark.services
async def test_a_status_asked_for_too_often_is_refused_with_the_time_to_wait(api: Api) -> None:
    session_id = await start_session(api)
    address = f"/api/processing/status/{session_id}"

    answers = [await api.client.get(address)]
    while answers[-1].status_code == 200 and len(answers) < 1_000:
        answers.append(await api.client.get(address))

    refused(answers[-1], 429, "rate_limited")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert len(answers) > 60
    assert (await api.client.get(address, headers=api.as_admin)).status_code == 200
