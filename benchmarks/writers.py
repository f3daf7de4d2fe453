"""How near a generation with a language model comes to what the model's own time allows.

A server in a process of its own answers like a model after half a second. 300 tickets with ten
asked for at once cannot take less than 15 seconds; the figure is the time of the whole run, from
its claim to its end, with reading, storing and all transactions, as a ratio to that. The first run
of a process also loads the packages that speak to models, and is told apart.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import structlog

from tests.plugins.processing.model_stub import ModelStub, Reply, serving
from ticketgen.domain import sessions, uploads, users
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.users import User
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end
from ticketgen.testing.schemas import upgrade_plugins
from ticketgen.testing.servers import session_servers

__all__ = ["main"]

_PREFIX = "TICKETGEN_PROCESSING_"
_WORDS = {
    "user_story": "As an editor, I want this on the site, so that pages are complete.",
    "success_criteria": ["It exists as specified.", "An editor can use it."],
}


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.writers", description=__doc__)
    parser.add_argument("--tickets", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--answer", type=float, default=0.5, help="seconds the model takes")
    parser.add_argument("--times", type=int, default=5, help="runs after the first")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(_serve(asked.answer))
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    ideal = math.ceil(asked.tickets / asked.concurrency) * asked.answer
    with _model(asked.answer) as url:
        first, *others = asyncio.run(
            _measure(url, asked.tickets, asked.concurrency, asked.times + 1)
        )
    print(f"{asked.tickets} tickets, {asked.concurrency} at once, {asked.answer:g} s an answer")
    print(f"ideal {ideal:.2f} s")
    print(f"first run of a process {first:.2f} s = {first / ideal:.3f} × the ideal")
    middle = statistics.median(others)
    print(f"later ones {', '.join(f'{one:.2f}' for one in sorted(others))} s")
    print(f"median {middle:.2f} s = {middle / ideal:.3f} × the ideal")


async def _serve(answer: float) -> None:
    """Be the model, until standard input ends."""
    async with serving(ModelStub(answers=[Reply(words=_WORDS, wait=answer)])) as stub:
        print(stub.url(), flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextlib.contextmanager
def _model(answer: float) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.writers", "--serve", "--answer", str(answer)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


async def _measure(url: str, tickets: int, concurrency: int, times: int) -> list[float]:
    os.environ |= {  # noqa: TID251 - the settings of the plugin under measurement
        f"{_PREFIX}OPENAI_API_KEY": "made-up",
        f"{_PREFIX}OPENAI_BASE_URL": url,
        f"{_PREFIX}MODEL_CONCURRENCY": str(concurrency),
    }
    with session_servers() as servers:
        settings = Settings(database_url=servers.database_url, redis_url=servers.redis_url)
        await upgrade_plugins(settings)
        async with open_runtime(settings) as runtime:
            async with runtime.unit_of_work() as work:
                user = await users.create_user(work.db, name="bench", role=users.Role.MEMBER)
            return [_seconds(await _generation(runtime, user, tickets)) for _ in range(times)]


def _seconds(run: TaskRun) -> float:
    assert run.status == "completed", run.error
    assert run.started_at is not None
    assert run.finished_at is not None
    return (run.finished_at - run.started_at) / timedelta(seconds=1)


async def _generation(runtime: Runtime, user: User, tickets: int) -> TaskRun:
    rows = "".join(f"Kind {n},kind_{n},Content type\n" for n in range(tickets))
    async with runtime.unit_of_work() as work:
        session = sessions.WorkSession(owner_id=user.id, name="Tidemark", writer="openai")
        work.db.add(session)
        await work.db.flush()
        await uploads.put_upload(
            work.db,
            session_id=session.id,
            file_name="Bundles.csv",
            csv_type="bundles",
            row_count=tickets,
            content=f"Name,Machine name,Type\n{rows}".encode(),
        )
        run_id: UUID = (await work.start("processing", session_id=session.id, user=user)).run.id
    return await run_to_end(runtime, run_id)


if __name__ == "__main__":
    main()
