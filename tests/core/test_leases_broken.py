"""A keeper of leases that breaks: the process must not live on without one."""

from __future__ import annotations

import asyncio
import threading

import pytest
from uuid_utils.compat import uuid7

from tests.core import lab
from tests.core.keeping import brisk_settings, keeper
from ticketgen.runner import Runner
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    return brisk_settings(settings)


async def test_a_keeper_that_breaks_ends_the_process(brisk: Settings) -> None:
    def break_it() -> float | None:
        raise LookupError("the watch is broken")

    exits: list[int] = []
    async with lab.open_lab(brisk) as runtime:
        runner = Runner(runtime, worker_id=uuid7(), worker="lab:1")
        async with keeper(runtime, runner, exits, told_to_stop_at=break_it).running():
            await lab.until(lambda: asyncio.sleep(0, bool(exits)))

    assert exits == [75]


async def test_a_keeper_that_breaks_before_the_loop_has_heard_of_it_ends_the_process(
    brisk: Settings,
) -> None:
    def break_it() -> float | None:
        raise LookupError("the watch is broken")

    exits: list[int] = []
    async with lab.open_lab(brisk) as runtime:
        runner = Runner(runtime, worker_id=uuid7(), worker="lab:1")
        keeping = keeper(runtime, runner, exits, told_to_stop_at=break_it).running()
        beginning = asyncio.create_task(keeping.__aenter__())
        await asyncio.sleep(0)
        [thread] = [one for one in threading.enumerate() if one.name == "lease-keeper"]
        # The loop stands still while the thread begins and breaks.
        thread.join(lab.PATIENCE)
        await beginning
        await keeping.__aexit__(None, None, None)

    assert exits == [75]
