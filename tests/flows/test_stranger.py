"""A plugin nobody here has heard of: installed from its wheel, removed, and installed again.

Everything is a wheel, also the host, in an environment of its own. The plugin is
`tests/samples/ticketgen-tally`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from sqlalchemy import text

from tests.flows.commands import Up, eventually, marked, up
from tests.flows.installing import Installed, installed
from tests.rules.tree import PLUGINS, ROOT
from ticketgen.attached import attached_settings
from ticketgen.database import create_engine

pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found through /proc"),
]

SAMPLE = ROOT / "tests/samples/ticketgen-tally"
SETTINGS = {"TICKETGEN_TALLY_WORDS_PER_POINT": "50", "TICKETGEN_PARK_AFTER": "2"}
CHORES = "Chore,Machine name,What is done\nTrain the editors,training,Two afternoons\n"
LONG = "word " * 1_600


def _call(host: Up, method: str, path: str, **sent: Any) -> Any:
    while True:
        answer = httpx2.request(
            method,
            host.url + path,
            headers={"Authorization": f"Bearer {host.token}"},
            timeout=30,
            **sent,
        )
        if answer.status_code != httpx2.codes.TOO_MANY_REQUESTS:
            break
        time.sleep(float(answer.headers["Retry-After"]))
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json() if "json" in answer.headers["content-type"] else answer.text


def _ended_well(host: Up, task: str) -> bool:
    view = _call(host, "GET", f"/api/{task}/status/{host.session_id}")
    assert view["status"] in {"not_started", "processing", "completed"}, view
    return bool(view["status"] == "completed")


def _done(host: Up, task: str) -> bool:
    return eventually(lambda: _ended_well(host, task))


@contextmanager
def _worker_held(host: Up) -> Iterator[int]:
    """The worker's process, standing still so that nothing is taken from the queue."""
    [worker] = host.children("ticketgen.cli.worker")
    os.kill(worker, signal.SIGSTOP)
    try:
        yield worker
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


def _stop(host: Up) -> None:
    host.process.send_signal(signal.SIGTERM)
    _see_it_end(host)


def _see_it_end(host: Up) -> None:
    assert host.process.wait(timeout=60) == 0, host.log.read_text()
    assert eventually(lambda: not marked(host.mark)), marked(host.mark)


def _chore(host: Up) -> dict[str, Any]:
    listed = _call(host, "GET", f"/api/sessions/{host.session_id}/tickets")["tickets"]
    [chore] = [ticket for ticket in listed if ticket["csv_type"] == "chores"]
    return dict(chore)


def _generate_with_its_sheet(host: Up) -> None:
    """Its CSV type makes a ticket, and its hook counts when the generation has ended."""
    _call(
        host,
        "POST",
        f"/api/sessions/{host.session_id}/uploads",
        files=[("files", ("Chores.csv", CHORES, "text/csv"))],
    )
    _call(host, "POST", f"/api/processing/start/{host.session_id}")
    assert _done(host, "processing")
    assert _done(host, "tally")
    assert _chore(host)["entity_group"] == "Chores"


def _validate_after_an_edit(host: Up) -> None:
    """Its check of documents and its hook on tickets are asked."""
    chore = _chore(host)
    _call(
        host,
        "PATCH",
        f"/api/sessions/{host.session_id}/tickets/{chore['id']}",
        json={"revision": chore["revision"], "description": LONG},
    )
    _call(host, "POST", f"/api/adf_validation/start/{host.session_id}")
    assert _done(host, "adf_validation")

    report = _call(host, "GET", f"/api/adf_validation/results/{host.session_id}")
    said = {
        (finding["rule"], ticket["ticket_id"])
        for ticket in report["tickets"]
        for finding in ticket["findings"]
        if finding["rule"].startswith("tally.")
    }
    assert said == {("tally.length", chore["id"]), ("tally.stale", chore["id"])}


async def _count_watched(host: Up) -> list[dict[str, Any]]:
    """Everything a plain WebSocket client sees of a run that is started over REST."""
    address = f"{host.url.replace('http', 'ws', 1)}/api/tally/progress/{host.session_id}"
    token = {"Authorization": f"Bearer {host.token}"}
    with _worker_held(host):
        started = await asyncio.to_thread(
            _call, host, "POST", f"/api/tally/count/{host.session_id}"
        )
        stream = await websockets.connect(address, additional_headers=token)
        messages = [json.loads(await stream.recv())]
    async with stream:
        messages += [json.loads(raw) async for raw in stream]
    assert started["progress_channel"] == f"progress:{host.session_id}:tally"
    assert {message["task_id"] for message in messages} == {started["task_id"]}
    return messages


def _answers(host: Up) -> None:
    """Its routes, its settings and what its lifespan has read."""
    counted = _call(host, "GET", f"/api/tally/counts/{host.session_id}")
    public = httpx2.get(f"{host.url}/api/tally/scale")
    behind = httpx2.get(f"{host.url}/api/tally/counts/{host.session_id}")
    missing = httpx2.get(
        f"{host.url}/api/tally/counts/01a20a86-2557-7383-8774-206a8246dd83",
        headers={"Authorization": f"Bearer {host.token}"},
    )

    longest = counted["tickets"][0]
    assert (longest["words"], longest["points"]) == (1_600, 32)
    assert longest["ticket_key"] == _chore(host)["key"]
    assert public.json() == {"words_per_point": 50}
    assert behind.status_code == 401
    assert missing.status_code == 404


def _is_shown(host: Up) -> None:
    """Its health check, its figure, its schedule and itself."""
    ready = _call(host, "GET", "/health/ready")
    figures = _call(host, "GET", "/metrics")
    schedules = _call(host, "GET", "/api/schedules")
    [view] = [item for item in _call(host, "GET", "/api/plugins") if item["name"] == "tally"]

    assert [check["ok"] for check in ready["checks"] if check["name"] == "tally.counts"] == [True]
    assert 'tally_words{csv_type="chores"} 1600.0' in figures.splitlines()
    assert "tally.nightly" in [schedule["name"] for schedule in schedules]
    assert (view["status"], view["version"], view["problems"]) == ("active", "1.0.0", [])


def _commands(environment: Installed, host: Up) -> None:
    """Its command works on the database, and the host's commands know it."""
    own = {**SETTINGS, "TICKETGEN_DATA_DIR": str(host.data_dir)}

    shown = environment.said("-m", "ticketgen", "tally", "show", host.session_id, **own)
    listed = environment.said("-m", "ticketgen", "plugins", "--json", **own)

    assert "1600 words, 32 points" in shown
    assert [view["name"] for view in json.loads(listed)] == sorted([*PLUGINS, "tally"])


def _conforms(environment: Installed, host: Up) -> None:
    """Its author has nothing to mend, and its revisions make the tables of its models."""
    asked = """
import asyncio
from ticketgen.attached import attached_settings
from ticketgen.database import create_engine
from ticketgen.testing import check_distribution, check_migrations
from ticketgen_tally.plugin import ticketgen_plugin

async def main():
    engine = create_engine(attached_settings())
    for flaw in await check_migrations(engine, ticketgen_plugin()):
        print(flaw)
    await engine.dispose()

print(*check_distribution("ticketgen-tally"), sep="\\n", end="")
asyncio.run(main())
"""
    flaws = environment.said("-c", asked, TICKETGEN_DATA_DIR=str(host.data_dir))

    assert flaws == ""


def _leave_one_queued(host: Up) -> str:
    """Stop the host with a run that no worker has taken, nor will before the end."""
    with _worker_held(host) as worker:
        started = _call(host, "POST", f"/api/tally/start/{host.session_id}")
        host.process.send_signal(signal.SIGTERM)
        os.kill(worker, signal.SIGKILL)
        _see_it_end(host)
    return str(started["task_id"])


def _run(host: Up, task_id: str) -> dict[str, Any]:
    return dict(_call(host, "GET", f"/api/runs/{task_id}"))


def _rows(host: Up) -> list[tuple[Any, ...]]:
    """What the plugin's tables hold, read without the plugin."""

    async def read() -> list[tuple[Any, ...]]:
        engine = create_engine(attached_settings(data_dir=host.data_dir))
        async with engine.connect() as connection:
            counts = await connection.execute(
                text("SELECT ticket_key, words, points FROM tally_counts ORDER BY ticket_key")
            )
            schema = await connection.execute(text("SELECT * FROM tally_schema"))
            found = [tuple(row) for result in (counts, schema) for row in result]
        await engine.dispose()
        return found

    return asyncio.run(read())


def _goes_on_without_it(host: Up, task_id: str) -> None:
    """The host is up, knows nothing of it, keeps its data, and parks its run."""
    asked = httpx2.get(
        f"{host.url}/api/tally/counts/{host.session_id}",
        headers={"Authorization": f"Bearer {host.token}"},
    )
    names = [view["name"] for view in _call(host, "GET", "/api/plugins")]

    assert asked.status_code == 404
    assert names == sorted(PLUGINS)
    assert eventually(lambda: _run(host, task_id)["state"] == "parked")
    parked = _run(host, task_id)["parked"]
    assert parked["plugin"] == "tally"
    assert "tally" in parked["message"]


def _isolated(environment: Installed) -> None:
    """The host comes out of the wheels, and every plugin of it is found once."""
    asked = """
from importlib.metadata import entry_points
from importlib.util import find_spec
print(find_spec("ticketgen").origin)
print(*sorted(entry.name for entry in entry_points(group="ticketgen.plugins")))
"""
    origin, names = environment.said("-c", asked).splitlines()

    assert Path(origin).is_relative_to(environment.library)
    assert names.split() == sorted(PLUGINS)


def test_it_works_as_ours_do_and_outlives_its_absence(
    tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> None:
    environment = installed(tmp_path, SAMPLE)
    _isolated(environment)

    def started(mark: str) -> AbstractContextManager[Up]:
        folder = tmp_path / "data"
        return up(folder, mark, python=environment.python, PYTHONPATH="", **SETTINGS)

    environment.install("ticketgen-tally")
    with started("first") as host:
        _generate_with_its_sheet(host)
        _validate_after_an_edit(host)
        messages = asyncio.run(_count_watched(host))
        _answers(host)
        _is_shown(host)
        _commands(environment, host)
        _conforms(environment, host)
        rows = _rows(host)
        task_id = _leave_one_queued(host)

    environment.uninstall("ticketgen-tally")
    with started("without") as host:
        _goes_on_without_it(host, task_id)
        kept = _rows(host)
        _stop(host)

    environment.install("ticketgen-tally")
    with started("again") as host:
        went_on = eventually(lambda: _run(host, task_id)["state"] == "completed")
        _answers(host)
        after = _rows(host)
        _stop(host)

    assert any(message.get("current_stage") == "Counting words" for message in messages)
    assert messages[-1]["type"] == "completed"
    assert messages[-1]["result_summary"]["points"] > 32
    assert went_on
    assert rows[-1] == ("0001",)
    assert rows == kept == after
