"""Plugins that start and stop as they should, and all the ways in which they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.core import lab
from tests.core.hosting.sources import living_source, module_of
from ticketgen.conformance import Problem
from ticketgen.discovery import PluginStatus
from ticketgen.offering import offer_of
from ticketgen.opening import open_plugins
from ticketgen.ports import Role
from ticketgen.registry import PluginFailureError, PluginUnavailableError
from ticketgen.runtime import Runtime, build_runtime
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin
from ticketgen.worker import narrowed

Install = Callable[..., InstalledPlugin]

_FOR_EVER = "await asyncio.sleep(3600)"


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def nowhere(tmp_path: Path, clean_environment: pytest.MonkeyPatch) -> Settings:
    """Settings of a host whose servers are not there: opening plugins needs none."""
    return Settings(
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        redis_url="redis://127.0.0.1:1",
        data_dir=tmp_path,
        plugin_start_timeout=timedelta(seconds=0.2),
        allowed_plugins=("acme", "mica", "zinc"),
    )


def _with(settings: Settings, **changes: Any) -> Runtime:
    return build_runtime(settings.model_copy(update=changes))


@pytest.mark.parametrize(
    ("enter", "message"),
    [
        ("raise ValueError('no such label')", "ValueError: no such label"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("raise asyncio.CancelledError()", "CancelledError"),
        (_FOR_EVER, "did not start within 0.2 s"),
        ("return", "generator didn't yield"),
    ],
)
async def test_a_start_that_fails_or_hangs_puts_that_plugin_out_of_use_and_no_other(
    nowhere: Settings, install_plugin: Install, enter: str, message: str
) -> None:
    install_plugin("acme", living_source("acme", enter=enter))
    install_plugin("zinc", living_source("zinc", state="the state of zinc"))
    runtime = _with(nowhere)

    async with open_plugins(runtime, Role.WORKER):
        problem = runtime.registry.problem_of("acme")
        states, role = dict(runtime.states), runtime.role
        with pytest.raises(PluginUnavailableError, match="out of use"):
            runtime.registry.require("acme")
        [found] = [item for item in runtime.registry.plugins if item.name == "acme"]
        served = runtime.registry.served
    await runtime.close()

    assert problem is not None
    assert (problem.phase, found.status) == ("start", PluginStatus.FAILED)
    assert message in problem.message
    assert "start again" in problem.remedy
    assert states == {"zinc": "the state of zinc"}
    assert role is Role.WORKER
    assert "acme" not in served
    assert "zinc" in served
    assert runtime.states == {}


async def test_a_failed_start_keeps_its_traceback(
    nowhere: Settings, install_plugin: Install
) -> None:
    install_plugin("acme", living_source("acme", enter="raise ValueError('no such label')"))
    runtime = _with(nowhere)

    async with open_plugins(runtime, Role.API):
        problem = runtime.registry.problem_of("acme")
    await runtime.close()

    assert problem is not None
    assert problem.traceback is not None
    assert "in lifespan" in problem.traceback


_WHEN_ALL_CLOSE = """
        STARTED.append(task)
        while len(STARTED) < 3:
            await asyncio.sleep(0)
"""


async def test_plugins_are_closed_all_at_once_each_in_the_task_that_opened_it(
    nowhere: Settings,
    install_plugin: Install,
    monkeypatch: pytest.MonkeyPatch,
    logged: list[MutableMapping[str, Any]],
) -> None:
    monkeypatch.setattr("ticketgen.opening._CLOSING_SECONDS", lab.PATIENCE)
    names = ("acme", "mica", "zinc")
    plugins = [install_plugin(name, living_source(name, leave=_WHEN_ALL_CLOSE)) for name in names]
    runtime = _with(nowhere, plugin_start_timeout=timedelta(hours=1))
    started: list[object] = []
    for plugin in plugins:
        module_of(plugin).STARTED = started

    async with open_plugins(runtime, Role.API):
        pass
    await runtime.close()

    both = [("open", Role.API), ("close", True)]
    assert [module_of(plugin).LOG for plugin in plugins] == [both] * 3
    assert logged == []


async def test_a_start_that_is_cancelled_waits_for_no_plugin_that_hangs(
    nowhere: Settings, install_plugin: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.opening._CLOSING_SECONDS", 3600)
    enter = f"LOG.append('entering'); {_FOR_EVER}"
    plugins = [install_plugin(name, living_source(name, enter=enter)) for name in ("acme", "zinc")]
    runtime = _with(nowhere, plugin_start_timeout=timedelta(hours=1))

    async def entering() -> bool:
        return all(module_of(plugin).LOG for plugin in plugins)

    async def start() -> None:
        async with open_plugins(runtime, Role.API):
            raise AssertionError("nothing has started")

    starting = asyncio.create_task(start())
    await lab.until(entering)
    starting.cancel()
    await asyncio.wait({starting}, timeout=lab.PATIENCE)
    await runtime.close()

    assert starting.cancelled()
    assert runtime.opened_as == []


async def test_a_worker_for_some_plugins_opens_and_reports_these_only(
    nowhere: Settings, install_plugin: Install
) -> None:
    for name in ("acme", "mica"):
        install_plugin(name, living_source(name))
    zinc = install_plugin("zinc", living_source("zinc", enter="raise ValueError('no label')"))
    runtime = _with(nowhere)
    registry = runtime.registry
    served = narrowed(registry, ["acme"])

    async with open_plugins(runtime, Role.WORKER, only={found.name for found in served.loaded}):
        states = dict(runtime.states)
        problem, tried = registry.problem_of("zinc"), module_of(zinc).LOG
        registry.standing.put_out("zinc", Problem(phase="hook", message="no", remedy="Mend it."))
        offers = [offer_of(served), offer_of(registry)]
    await runtime.close()

    assert states == {"acme": "ready"}
    assert (problem, tried) == (None, [])
    assert [sorted(offer.failed) for offer in offers] == [[], ["zinc"]]
    assert [sorted(offer.plugins) for offer in offers] == [["acme"], ["acme", "mica"]]


@pytest.mark.parametrize(
    ("leave", "event"),
    [
        (_FOR_EVER, "plugin_close_late"),
        ("raise ValueError('not now')", "plugin_close_failed"),
        ("sys.exit(3)", "plugin_close_failed"),
    ],
)
async def test_a_close_that_fails_or_hangs_keeps_no_other_from_closing(
    nowhere: Settings,
    install_plugin: Install,
    logged: list[MutableMapping[str, Any]],
    leave: str,
    event: str,
) -> None:
    acme = install_plugin("acme", living_source("acme"))
    install_plugin("zinc", living_source("zinc", leave=leave))
    runtime = _with(nowhere)

    async with open_plugins(runtime, Role.API):
        pass
    await runtime.close()

    assert module_of(acme).LOG[-1] == ("close", True)
    assert (event, "zinc") in [(entry["event"], entry.get("plugin")) for entry in logged]


@pytest.mark.parametrize("strictness", [{"required_plugins": ("zinc",)}, {"strict_plugins": True}])
async def test_a_required_plugin_that_does_not_start_stops_the_host_and_the_others_are_closed(
    nowhere: Settings, install_plugin: Install, strictness: dict[str, Any]
) -> None:
    acme = install_plugin("acme", living_source("acme"))
    install_plugin("zinc", living_source("zinc", enter="raise ValueError('no such label')"))
    runtime = _with(nowhere, **strictness)

    with pytest.raises(PluginFailureError, match=r"zinc .*start: ValueError: no such label"):
        async with open_plugins(runtime, Role.API):
            pass
    await runtime.close()

    assert [what for what, _ in module_of(acme).LOG] == ["open", "close"]


_DIES = """
@asynccontextmanager
async def lifespan(host):
    async def fail():
        await asyncio.sleep(0)
        raise ConnectionError("the label service hung up")

    async with asyncio.TaskGroup() as beside:
        beside.create_task(fail())
        yield "connected"


"""

_STOPS = """
@asynccontextmanager
async def lifespan(host):
    asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
    try:
        yield "connected"
    except asyncio.CancelledError:
        pass


"""


@pytest.mark.parametrize(
    ("lifespan", "told"),
    [(_DIES, "the label service hung up"), (_STOPS, "its lifespan ended by itself")],
)
async def test_a_lifespan_that_ends_by_itself_puts_its_plugin_out_of_use(
    nowhere: Settings, install_plugin: Install, lifespan: str, told: str
) -> None:
    source = living_source("acme").replace(
        "async def tell_state", f"{lifespan}async def tell_state"
    )
    install_plugin("acme", source)
    runtime = _with(nowhere)

    async def out() -> bool:
        return runtime.registry.problem_of("acme") is not None

    async with open_plugins(runtime, Role.WORKER):
        await lab.until(out)
        problem, states = runtime.registry.problem_of("acme"), dict(runtime.states)
    await runtime.close()

    assert problem is not None
    assert problem.traceback is not None
    assert problem.phase == "start"
    assert told in problem.traceback
    assert states == {}


async def test_plugins_that_are_open_are_not_opened_again(
    nowhere: Settings, install_plugin: Install
) -> None:
    acme = install_plugin("acme", living_source("acme"))
    runtime = _with(nowhere)

    async with open_plugins(runtime, Role.API):
        async with open_plugins(runtime, Role.WORKER):
            role = runtime.role
        after = dict(runtime.states)
    await runtime.close()

    assert role is Role.API
    assert after == {"acme": "ready"}
    assert [what for what, _ in module_of(acme).LOG] == ["open", "close"]
