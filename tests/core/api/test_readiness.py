from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic_settings import BaseSettings
from sqlalchemy import func, text, update
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen import Plugin
from ticketgen.domain import workers
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.provides import HealthCheck, HealthContext
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, registry_of

pytestmark = pytest.mark.services


class _LabSettings(BaseSettings):
    colour: str = "blue"


async def _well(context: HealthContext) -> str | None:
    return None


async def _complains(context: HealthContext) -> str | None:
    return "The shelf is empty; fill it."


async def _looks(context: HealthContext) -> str | None:
    told = await context.db.scalar(
        text("SELECT 'It is ' || :colour"), {"colour": context.settings.colour}
    )
    return str(told)


async def _raises(context: HealthContext) -> str | None:
    raise ValueError("secret address")


async def _exits(context: HealthContext) -> str | None:
    raise SystemExit(3)


async def _gives_up(context: HealthContext) -> str | None:
    raise asyncio.CancelledError


async def _babbles(context: HealthContext) -> Any:
    return {"not": "a sentence"}


class _Never:
    """A check that does not answer, and takes its time when it is told to stop."""

    def __init__(self, happened: list[str]) -> None:
        self._happened = happened

    async def __call__(self, context: HealthContext) -> str | None:
        self._happened.append("begun")
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            self._happened.append("stopped")
            await context.db.execute(text("SELECT pg_sleep(0.5)"))
        return None


async def _half(context: HealthContext) -> str | None:
    return "\x00 and \ud800"


Checks = dict[str, Callable[[HealthContext], Awaitable[Any]]]


@pytest.fixture
def checks() -> Checks:
    return {
        "well": _well,
        "complains": _complains,
        "looks": _looks,
        "raises": _raises,
        "exits": _exits,
        "gives_up": _gives_up,
        "babbles": _babbles,
        "half": _half,
    }


@pytest.fixture
async def runtime(
    settings: Settings, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """A host with a plugin whose checks do whatever checks do."""
    # However slow the machine is: what answers at all is in time.
    monkeypatch.setattr("ticketgen.api.asking._LIMIT_SECONDS", lab.PATIENCE)
    monkeypatch.setattr("ticketgen.api.asking._ALL_SECONDS", lab.PATIENCE)
    monkeypatch.setattr("ticketgen.api.routes.health._LIMIT_SECONDS", lab.PATIENCE)
    plugin = Plugin(
        name="lab",
        summary="Checks.",
        tasks=(lab.task(), lab.task("lab.other")),
        settings=_LabSettings,
        provides=tuple(HealthCheck(name=name, check=check) for name, check in checks.items()),
    )
    # No worker lives here, and nothing is to be parked for that meanwhile.
    settings = settings.model_copy(update={"park_after": timedelta(hours=1)})
    registry = registry_of(settings, plugin)
    async with open_runtime(settings, registry=registry) as opened:
        yield opened


async def _ready(api: Api) -> tuple[int, dict[str, Any], dict[str, dict[str, Any]]]:
    answer = await api.client.get("/health/ready")
    ready: dict[str, Any] = answer.json()
    return answer.status_code, ready, {check["name"]: check for check in ready["checks"]}


async def _worker(api: Api, *, lag: float = 0.0, pid: int = 17) -> UUID:
    worker_id = uuid7()
    async with api.runtime.session_factory() as db:
        await workers.say_alive(
            db,
            worker_id=worker_id,
            host="worker-1",
            pid=pid,
            version="1.2.3",
            task_types=["lab"],
            plugins={"lab": "1.0"},
            max_jobs=2,
            running=1,
            lag=lag,
        )
        await db.commit()
    return worker_id


async def _wait(api: Api, run: TaskRun, **values: Any) -> None:
    async with api.runtime.session_factory() as db:
        await db.execute(update(TaskRun).where(TaskRun.id == run.id).values(**values))
        await db.commit()


async def test_a_plugins_check_says_what_is_wrong_and_degrades_without_making_unready(
    api: Api,
) -> None:
    await _worker(api)

    status, ready, checks = await _ready(api)

    assert status == 200
    assert (ready["ready"], ready["degraded"]) == (True, True)
    assert checks["lab.well"] == {"name": "lab.well", "ok": True, "message": ""}
    assert checks["lab.complains"]["ok"] is False
    assert checks["lab.complains"]["message"] == "The shelf is empty; fill it."


async def test_a_check_gets_a_database_session_and_its_plugins_settings(api: Api) -> None:
    _, _, checks = await _ready(api)

    assert checks["lab.looks"]["message"] == "It is blue"


async def test_a_check_that_misbehaves_is_not_well_and_names_its_plugin(api: Api) -> None:
    status, _, checks = await _ready(api)

    assert status == 200
    for name in ("raises", "exits", "gives_up", "babbles"):
        assert checks[f"lab.{name}"]["ok"] is False
        assert "plugin lab" in checks[f"lab.{name}"]["message"]
        assert "secret" not in checks[f"lab.{name}"]["message"]
    assert checks["lab.half"]["message"] == "\ufffd and \ufffd"


_happened: list[str] = []


@pytest.mark.parametrize(
    "checks", [{"never": _Never(_happened), "never_either": _Never(_happened)}], ids=["late"]
)
async def test_late_checks_are_given_up_together_however_they_end(
    api: Api, monkeypatch: pytest.MonkeyPatch, checks: Checks
) -> None:
    monkeypatch.setattr("ticketgen.api.asking._LIMIT_SECONDS", 0.3)
    _happened.clear()

    _, _, answers = await _ready(api)

    assert _happened[:2] == ["begun", "begun"], "one waits for the other"
    for name in checks:
        assert answers[f"lab.{name}"]["ok"] is False
        assert "plugin lab did not answer within" in answers[f"lab.{name}"]["message"]
    await lab.until(lambda: _is_back(api.runtime))


async def _is_back(runtime: Runtime) -> bool:
    """Whether the connections of the late ones have come back."""
    pool: Any = runtime.engine.pool
    return _happened.count("stopped") == 2 and pool.checkedout() == 0


async def test_runs_that_nobody_takes_are_counted_with_the_age_of_the_oldest(api: Api) -> None:
    runs = [await lab.start(api.runtime), await lab.start(api.runtime, "lab.other")]
    _, _, fresh = await _ready(api)
    for run, seconds in zip(runs, (90, 70), strict=True):
        await _wait(api, run, available_at=func.clock_timestamp() - timedelta(seconds=seconds))

    status, ready, checks = await _ready(api)

    assert fresh["queue"]["ok"] is True
    assert status == 200
    assert ready["degraded"] is True
    assert checks["queue"]["ok"] is False
    assert "not begun: 2" in checks["queue"]["message"]
    assert any(f"for {age} s" in checks["queue"]["message"] for age in range(90, 300))


async def test_a_run_that_waits_for_its_retry_is_not_late_and_parked_ones_are_counted(
    api: Api,
) -> None:
    retried, parked = [await lab.start(api.runtime), await lab.start(api.runtime, "lab.other")]
    await _wait(api, retried, available_at=func.clock_timestamp() + timedelta(hours=1))
    await _wait(
        api,
        parked,
        state=RunState.PARKED,
        parked={"code": "not_served"},
        available_at=func.clock_timestamp() - timedelta(hours=1),
    )

    _, _, checks = await _ready(api)

    assert checks["queue"]["ok"] is True
    assert "1 parked" in checks["queue"]["message"]


async def test_a_worker_whose_event_loop_is_blocked_is_named(api: Api) -> None:
    await _worker(api, pid=16)
    await _worker(api, pid=17, lag=4.2)

    status, _, checks = await _ready(api)

    assert status == 200
    assert checks["workers"]["ok"] is False
    assert "worker-1:17" in checks["workers"]["message"]
    assert "worker-1:16" not in checks["workers"]["message"]


async def test_with_a_live_worker_and_an_empty_queue_core_is_well(api: Api) -> None:
    await _worker(api)

    _, _, checks = await _ready(api)

    own = [name for name in checks if "." not in name]
    assert own == [
        "database",
        "schema",
        "redis",
        "workers",
        "queue",
        "secrets",
        "progress",
        "process",
        "plugins",
    ]
    assert all(checks[name]["ok"] for name in own)
