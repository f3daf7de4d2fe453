"""How near a generation with a language model comes to what the model's own time allows.

A server on loopback answers like a model after half a second. 300 tickets with ten asked for at
once cannot take less than 15 seconds; the figure is the time of the whole run, from its claim to
its end, with reading, storing and all transactions, as a ratio to that.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import statistics
from datetime import timedelta
from uuid import UUID

from tests.plugins.processing.model_stub import ModelStub, Reply, serving
from ticketgen.domain import sessions, uploads, users
from ticketgen.domain.task_runs import TaskRun
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
    """Measure, and print the ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.writers", description=__doc__)
    parser.add_argument("--tickets", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--answer", type=float, default=0.5, help="seconds the model takes")
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    ideal = math.ceil(asked.tickets / asked.concurrency) * asked.answer
    taken = [
        asyncio.run(_measure(asked.tickets, asked.concurrency, asked.answer))
        for _ in range(asked.times)
    ]
    middle = statistics.median(taken)
    print(f"{asked.tickets} tickets, {asked.concurrency} at once, {asked.answer:g} s an answer")
    print(f"ideal {ideal:.2f} s; runs {', '.join(f'{one:.2f}' for one in sorted(taken))} s")
    print(f"median {middle:.2f} s = {middle / ideal:.3f} × the ideal")


async def _measure(tickets: int, concurrency: int, answer: float) -> float:
    async with serving(ModelStub(answers=[Reply(words=_WORDS, wait=answer)])) as stub:
        os.environ |= {  # noqa: TID251 - the settings of the plugin under measurement
            f"{_PREFIX}OPENAI_API_KEY": "made-up",
            f"{_PREFIX}OPENAI_BASE_URL": stub.url(),
            f"{_PREFIX}MODEL_CONCURRENCY": str(concurrency),
        }
        with session_servers() as servers:
            settings = Settings(database_url=servers.database_url, redis_url=servers.redis_url)
            await upgrade_plugins(settings)
            async with open_runtime(settings) as runtime:
                run = await _generation(runtime, tickets)
        assert len(stub.questions) == tickets, len(stub.questions)
    assert run.finished_at is not None, run.state
    assert run.started_at is not None
    assert run.status == "completed", run.error
    return (run.finished_at - run.started_at) / timedelta(seconds=1)


async def _generation(runtime: Runtime, tickets: int) -> TaskRun:
    rows = "".join(f"Kind {n},kind_{n},Content type\n" for n in range(tickets))
    async with runtime.unit_of_work() as work:
        user = await users.create_user(work.db, name="bench", role=users.Role.MEMBER)
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
