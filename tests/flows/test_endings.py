from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.progress.connection import Server
from benchmarks.progress.living import live
from benchmarks.progress.plan import Life, Visit, drawn
from benchmarks.progress.publishers import begun_run, publish_part
from benchmarks.progress.record import Record
from benchmarks.progress.visiting import Visitor
from benchmarks.progress.visitors import is_whole
from benchmarks.progress.wire import EventReader, FrameReader
from ticketgen.domain.task_runs import TaskRun
from ticketgen.outcomes import Outcome
from ticketgen.runtime import Runtime
from ticketgen.testing import LiveApi

_RUNS = 150
_AT_ONCE = 50


async def _lived(runtime: Runtime, run: TaskRun, life: Life, since: float) -> None:
    async def publish(percentage: float) -> bool:
        return await publish_part(runtime, run, percentage=percentage, details={})

    async def settle(outcome: Outcome) -> None:
        await runtime.settler.settle(run, outcome)

    await live(life, since=since, publish=publish, settle=settle)


async def _visited(live_api: LiveApi, plans: list[tuple[Life, Visit]]) -> list[Visitor]:
    """Runs that live as planned, and what their clients got."""
    runtime = live_api.api.runtime
    server = Server(
        port=urlsplit(live_api.url).port or 0,
        token=live_api.api.admin_token,
    )
    runs = [await begun_run(runtime) for _ in plans]
    visitors = [
        Visitor(server=server, run_id=str(run.id), plan=visit)
        for run, (_, visit) in zip(runs, plans, strict=True)
    ]
    since = asyncio.get_running_loop().time() + 0.1
    await asyncio.gather(
        *(visitor.visit(since) for visitor in visitors),
        *(_lived(runtime, run, life, since) for run, (life, _) in zip(runs, plans, strict=True)),
    )
    return visitors


@pytest.mark.services
@pytest.mark.timeout(300)
async def test_every_client_gets_its_ending_once_however_it_comes_and_goes(
    live_api: LiveApi,
) -> None:
    randomness = random.Random(7)
    visitors: list[Visitor] = []

    for _ in range(_RUNS // _AT_ONCE):
        visitors += await _visited(live_api, [drawn(randomness, pace=0.5) for _ in range(_AT_ONCE)])

    broken = [visitor for visitor in visitors if not is_whole(visitor)]
    assert broken == []
    assert sum(visitor.plan.events for visitor in visitors) > 20
    assert any(visitor.record.snapshots > 1 for visitor in visitors), "nobody came back"


def _message(sequence: int, kind: str = "progress") -> dict[str, Any]:
    return {"type": kind, "epoch": "a", "sequence": sequence}


def _taken(*messages: Mapping[str, Any]) -> Record:
    record = Record()
    for message in messages:
        record.take(message)
    return record


def test_a_record_finds_what_came_twice() -> None:
    record = _taken(_message(3, "snapshot"), _message(4), _message(4), _message(5, "completed"))

    assert record.duplicates == 1
    assert record.endings == 1


def test_a_record_finds_what_fell_between_snapshot_and_stream() -> None:
    record = _taken(_message(3, "snapshot"), _message(6), _message(8))

    assert record.missing_at_attach == 2
    assert record.missing == 1


def test_a_record_finds_what_a_client_that_came_back_was_not_given() -> None:
    record = _taken(_message(3, "snapshot"), _message(4), _message(9, "snapshot"))

    assert record.missing_at_attach == 5


def test_a_resync_excuses_what_is_kept_no_more() -> None:
    resync = {"type": "resync", "epoch": None, "sequence": None}

    record = _taken(_message(3, "snapshot"), resync, _message(900, "snapshot"), _message(901))

    assert record.missing_at_attach == 0
    assert record.resyncs == 1


def test_an_ending_that_a_snapshot_told_of_is_no_duplicate() -> None:
    record = _taken(_message(3, "snapshot"), _message(3, "completed"))

    assert record.duplicates == 0
    assert record.endings == 1


def test_frames_are_read_however_they_are_cut() -> None:
    short, long = b"a", b"b" * 70_000
    data = bytes([0x81, 1]) + short + bytes([0x81, 127]) + len(long).to_bytes(8, "big") + long
    reader = FrameReader()

    frames = [
        frame for begin in range(0, len(data), 999) for frame in reader.feed(data[begin:][:999])
    ]

    assert frames == [(1, short), (1, long)]


def test_events_are_read_however_they_are_cut() -> None:
    text = b"retry: 1000\n\n: ping\n\nevent: progress\nid: a-1\ndata: {}\n\n"
    data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text)
    reader = EventReader(chunked=True)

    events = [event for begin in range(len(data)) for event in reader.feed(data[begin:][:1])]

    assert events == [("a-1", b"{}")]
    assert reader.ended
