"""How long a worker takes to its first job, and an API to its first answer, beside arq's worker.

A run, or a job, waits in the queue before the process is started. What is measured begins right
before that and ends with the moment the job itself is begun: `started_at` of the run, or what the
job of arq's worker writes down. All of it is one machine's clock.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.startup.processes import Started, started
from benchmarks.startup.scene import PEER, QUEUE, STAMP, Scene, opened_scene
from ticketgen.domain import task_runs

__all__ = ["ServiceRow", "measure_services", "service_lines"]

_LOOK_SECONDS = 0.004
_LONGEST_SECONDS = 300.0

_SETTLED_SECONDS = 2.0
"""After its first job a process idles so long before its memory is read."""

_TASK = "cleanup.expired_tokens"
"""It needs no session, and on an empty database ends at once."""

_API_PORT = 18_473

Expected = Callable[[Started], Awaitable[float]]
"""Waits for the moment that counts, and says when it was."""


@dataclass(frozen=True, kw_only=True)
class ServiceRow:
    """One line of the table."""

    name: str
    seconds: float
    slowest: float
    cpu: float
    """Until then."""
    megabytes: float
    """Resident when idle."""


@dataclass(frozen=True, kw_only=True)
class _Service:
    name: str
    command: tuple[str, ...]
    expecting: Callable[[Scene], Awaitable[Expected]]
    """Puts something into the queue, if there has to be, and gives what to wait for."""


@dataclass(frozen=True, kw_only=True)
class _Figure:
    seconds: float
    cpu: float
    megabytes: float


async def measure_services(rounds: int) -> tuple[ServiceRow, ...]:
    """The table, from so many processes for every figure, after one that is not counted."""
    figures: dict[_Service, list[_Figure]] = {service: [] for service in _SERVICES}
    async with _scene() as scene:
        for number in range(rounds + 1):
            print(f"services, round {number} of {rounds}", file=sys.stderr, flush=True)
            for service in _SERVICES:
                figure = await _measured(service, scene)
                figures[service] += [figure] if number else []
    return tuple(_row(service, found) for service, found in figures.items())


def service_lines(rows: Sequence[ServiceRow]) -> Iterator[str]:
    """The table for people."""
    yield f"{'from exec to':<44}{'s':>7}{'slowest':>9}{'cpu s':>7}{'idle MB':>9}"
    for row in rows:
        yield (
            f"{row.name:<44}{row.seconds:>7.2f}{row.slowest:>9.2f}"
            f"{row.cpu:>7.2f}{row.megabytes:>9.0f}"
        )


@asynccontextmanager
async def _scene() -> AsyncIterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="ticketgen-startup-") as directory:
        async with opened_scene(Path(directory)) as scene:
            yield scene


async def _measured(service: _Service, scene: Scene) -> _Figure:
    expected = await service.expecting(scene)
    log = scene.directory / "processes.log"
    with started((sys.executable, *service.command), scene.environment, log) as process:
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                at = await expected(process)
        except (RuntimeError, TimeoutError):
            print(log.read_text(encoding="utf-8")[-4000:], file=sys.stderr)
            raise
        cpu = process.cpu
        await asyncio.sleep(_SETTLED_SECONDS)
        return _Figure(seconds=at - process.at, cpu=cpu, megabytes=process.megabytes)


async def _our_run(scene: Scene) -> Expected:
    async with scene.runtime.unit_of_work() as work:
        run_id = (await work.start(_TASK)).run.id

    async def begun(process: Started) -> float:
        while True:
            process.require_alive()
            async with scene.runtime.session_factory() as db:
                at = (await task_runs.get_run(db, run_id)).started_at
            if at is not None:
                return at.timestamp()
            await asyncio.sleep(_LOOK_SECONDS)

    return begun


async def _their_job(scene: Scene) -> Expected:
    await scene.arq.delete(STAMP)
    await scene.arq.enqueue_job("first", _queue_name=QUEUE)

    async def begun(process: Started) -> float:
        while True:
            process.require_alive()
            said = await scene.arq.get(STAMP)
            if said is not None:
                return float(said)
            await asyncio.sleep(_LOOK_SECONDS)

    return begun


async def _an_answer(_: Scene) -> Expected:
    async def answered(process: Started) -> float:
        async with httpx2.AsyncClient(trust_env=False) as client:
            while True:
                process.require_alive()
                try:
                    response = await client.get(f"http://127.0.0.1:{_API_PORT}/health/live")
                except httpx2.TransportError:
                    await asyncio.sleep(_LOOK_SECONDS)
                else:
                    response.raise_for_status()
                    return time.time()

    return answered


def _row(service: _Service, figures: Sequence[_Figure]) -> ServiceRow:
    return ServiceRow(
        name=service.name,
        seconds=round(statistics.median(figure.seconds for figure in figures), 3),
        slowest=round(max(figure.seconds for figure in figures), 3),
        cpu=round(statistics.median(figure.cpu for figure in figures), 3),
        megabytes=round(statistics.median(figure.megabytes for figure in figures), 1),
    )


_WORKER = "from ticketgen.cli.worker import main; main()"
"""What the script `ticketgen-worker` does."""

_SERVICES = (
    _Service(
        name="ticketgen-worker: first job begun",
        command=("-c", _WORKER),
        expecting=_our_run,
    ),
    _Service(
        name="arq, one function: first job begun",
        command=("-m", "arq", f"{PEER}.WorkerSettings"),
        expecting=_their_job,
    ),
    _Service(
        name="the same with SQLAlchemy and asyncpg imported",
        command=("-m", "arq", f"{PEER}_with_database.WorkerSettings"),
        expecting=_their_job,
    ),
    _Service(
        name="ticketgen api: /health/live answers",
        command=("-m", "ticketgen", "api", "--port", str(_API_PORT)),
        expecting=_an_answer,
    ),
)
