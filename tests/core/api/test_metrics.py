from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic_settings import BaseSettings
from sqlalchemy import func, text, update
from uuid_utils.compat import uuid7

from tests.core import lab
from tests.core.api.streaming import next_message, open_run
from tests.core.streams.scene import new_runs
from ticketgen import Plugin
from ticketgen.domain import workers
from ticketgen.domain.task_runs import TaskRun
from ticketgen.provides import HealthContext, Metric
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, LiveApi, registry_of

pytestmark = pytest.mark.services

BUSY = {"lab_raises", "lab_exits", "lab_gives_up", "lab_babbles", "lab_unlabelled", "lab_stubborn"}


class _LabSettings(BaseSettings):
    bells: int = 3


async def _bells(context: HealthContext) -> float:
    return float(context.settings.bells)


async def _towers(context: HealthContext) -> Mapping[tuple[str, ...], float]:
    count = await context.db.scalar(text("SELECT 4"))
    return {("north",): float(count or 0), ("south",): 0.0}


async def _raises(context: HealthContext) -> float:
    raise ValueError("secret address")


async def _exits(context: HealthContext) -> float:
    raise SystemExit(3)


async def _gives_up(context: HealthContext) -> float:
    raise asyncio.CancelledError


async def _babbles(context: HealthContext) -> Any:
    return "three"


class _Stubborn:
    """A figure that will not end when it is told to, until it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_end = asyncio.Event()

    async def read(self, context: HealthContext) -> float:
        self.calls += 1
        while not self.may_end.is_set():
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                continue
        return 1.0


@pytest.fixture
def stubborn() -> _Stubborn:
    return _Stubborn()


@pytest.fixture
async def runtime(settings: Settings, stubborn: _Stubborn) -> AsyncIterator[Runtime]:
    """A host with a plugin whose figures do whatever figures do."""

    def metric(name: str, read: Any, *labels: str) -> Metric:
        return Metric(name=f"lab_{name}", summary="Counts.", read=read, labels=labels)

    plugin = Plugin(
        name="lab",
        summary="Counts.",
        tasks=(lab.task(), lab.task("lab.other")),
        settings=_LabSettings,
        provides=(
            metric("bells", _bells),
            metric("towers", _towers, "tower"),
            metric("raises", _raises),
            metric("exits", _exits),
            metric("gives_up", _gives_up),
            metric("babbles", _babbles),
            metric("unlabelled", _bells, "tower"),
            metric("stubborn", stubborn.read),
        ),
    )
    # No worker lives here, and nothing is to be parked for that meanwhile.
    settings = settings.model_copy(update={"park_after": timedelta(hours=1)})
    registry = registry_of(settings, plugin)
    async with open_runtime(settings, registry=registry) as opened:
        yield opened
        stubborn.may_end.set()


async def _scraped(api: Api) -> dict[str, dict[tuple[str, ...], float]]:
    answer = await api.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        family.name: {
            tuple(sample.labels[name] for name in sorted(sample.labels)): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(answer.text)
    }


async def test_a_plugins_figures_are_read_with_its_settings_and_a_database(api: Api) -> None:
    scraped = await _scraped(api)

    assert scraped["lab_bells"] == {(): 3.0}
    assert scraped["lab_towers"] == {("north",): 4.0, ("south",): 0.0}


async def test_a_figure_that_misbehaves_is_left_out_counted_and_costs_no_other(api: Api) -> None:
    scraped = await _scraped(api)

    failed = scraped["ticketgen_metric_failures"]
    assert {metric for (metric, plugin), value in failed.items() if value} == BUSY
    assert {plugin for (_, plugin), value in failed.items() if value} == {"lab"}
    assert failed["ticketgen_runs", "ticketgen"] == 0.0
    assert BUSY & set(scraped) == set()


async def test_a_figure_that_will_not_end_is_not_asked_again_until_it_has(
    api: Api, stubborn: _Stubborn
) -> None:
    await _scraped(api)
    again = await _scraped(api)
    asked_while_it_hung = stubborn.calls
    stubborn.may_end.set()
    await asyncio.gather(*(task for tasks in api.runtime.asked.values() for task in tasks))

    at_last = await _scraped(api)

    assert asked_while_it_hung == 1
    assert "lab_stubborn" not in again
    assert at_last["lab_stubborn"] == {(): 1.0}


async def test_the_host_counts_runs_backlog_workers_and_plugins(
    api: Api, stubborn: _Stubborn
) -> None:
    stubborn.may_end.set()
    waiting = await lab.start(api.runtime)
    ended = await lab.start(api.runtime, "lab.other")
    async with api.runtime.session_factory() as db:
        hour = func.clock_timestamp() - timedelta(hours=1)
        await db.execute(update(TaskRun).where(TaskRun.id == waiting.id).values(available_at=hour))
        await db.execute(update(TaskRun).where(TaskRun.id == ended.id).values(state="failed"))
        await workers.say_alive(
            db,
            worker_id=uuid7(),
            host="worker-1",
            pid=17,
            version="1.2.3",
            task_types=["lab"],
            plugins={"lab": "1.0"},
            max_jobs=3,
            running=1,
            lag=0.0,
        )
        await db.commit()

    scraped = await _scraped(api)

    assert scraped["ticketgen_runs"]["queued", "lab"] == 1.0
    assert scraped["ticketgen_runs"]["running", "lab.other"] == 0.0
    assert scraped["ticketgen_runs_settled_last_hour"]["failed", "lab.other"] == 1.0
    assert scraped["ticketgen_backlog_due_runs"] == {(): 1.0}
    assert scraped["ticketgen_backlog_oldest_seconds"][()] >= 3600
    assert scraped["ticketgen_workers"] == {(): 1.0}
    assert scraped["ticketgen_worker_slots"] == {("busy",): 1.0, ("free",): 2.0}
    assert scraped["ticketgen_plugins"] == {("lab", "active"): 1.0}
    assert list(scraped["ticketgen_build_info"].values()) == [1.0]


async def test_the_streams_of_the_process_are_counted(live_api: LiveApi) -> None:
    [run] = await new_runs(live_api.api.runtime, 1)

    async with open_run(live_api, run.id, token=live_api.api.admin_token) as stream:
        await next_message(stream)
        async with httpx2.AsyncClient(
            base_url=live_api.url, headers=Api.bearing(live_api.api.token), timeout=60
        ) as client:
            answer = await client.get("/metrics")

    figures = {
        family.name: family.samples[0].value
        for family in text_string_to_metric_families(answer.text)
        if family.name.startswith("ticketgen_stream_")
    }
    assert figures == {
        "ticketgen_stream_clients": 1,
        "ticketgen_stream_channels": 1,
        "ticketgen_stream_deaf": 0,
        "ticketgen_stream_messages_sent": 1,
        "ticketgen_stream_messages_coalesced": 0,
        "ticketgen_stream_overflows": 0,
        "ticketgen_stream_resyncs": 0,
        "ticketgen_stream_reconnects": 0,
        "ticketgen_stream_gaps": 0,
    }
