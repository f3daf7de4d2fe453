"""The process that works: its runs are real rows, and what they say goes the product's own way.

It is told what to do by lines on its input: `begin` runs, `publish` for a while, `settle` all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from benchmarks.progress.lines import hear, say
from ticketgen.domain import task_runs, transitions
from ticketgen.domain.task_runs import NewRun, TaskRun
from ticketgen.logs import configure_logs
from ticketgen.outcomes import Completed
from ticketgen.progress import publish_progress
from ticketgen.runtime import Runtime, open_runtime

__all__ = ["TASK_TYPE", "Publishers"]

TASK_TYPE = "bench"
"""No plugin brings it: what is measured is the way of messages, not of work."""

_LEASE = timedelta(hours=6)
"""Nobody renews it, and nobody shall take the runs away."""


async def begun_run(runtime: Runtime) -> TaskRun:
    """A run that is stored and claimed, as if a worker were at it."""
    async with runtime.session_factory() as db:
        run, _ = await task_runs.insert_run(
            db, NewRun(task_type=TASK_TYPE, payload={}, exclusivity_key=str(uuid4()))
        )
        claimed = await transitions.claim_run(
            db, run.id, worker_id=uuid4(), worker="benchmark", lease=_LEASE
        )
        await db.commit()
    assert claimed is not None, "nobody else knows of it"
    return claimed


class Publishers:
    """All runs of this process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._runs: dict[UUID, TaskRun] = {}
        self._publishing: asyncio.Task[dict[str, Any]] | None = None

    async def do(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one order."""
        match order["do"]:
            case "begin":
                for _ in range(order["runs"]):
                    run = await begun_run(self._runtime)
                    self._runs[run.id] = run
                return {"runs": [str(run_id) for run_id in self._runs]}
            case "publish":
                self._publishing = asyncio.create_task(
                    self._publish(rate=order["rate"], seconds=order["seconds"])
                )
                return {}
            case "published":
                assert self._publishing is not None, "told before it was begun"
                return await self._publishing
            case "settle":
                return await self._settle(order.get("runs"))
        raise ValueError(f"what is {order['do']!r}?")

    async def _publish(self, *, rate: float, seconds: float) -> dict[str, Any]:
        """Every run at the same rate, their turns spread evenly."""
        cpu, began = time.process_time(), time.monotonic()
        late: list[float] = []
        beats = [
            self._beat(run, began + place / len(self._runs) / rate, 1 / rate, seconds, late)
            for place, run in enumerate(self._runs.values())
        ]
        sent = await asyncio.gather(*beats)
        lasted = time.monotonic() - began
        return {
            "published": sum(taken for taken, _ in sent),
            "refused": sum(refused for _, refused in sent),
            "seconds": lasted,
            "cpu": (time.process_time() - cpu) / lasted,
            "latest_turn_ms": round(max(late) * 1000, 1),
        }

    async def _beat(
        self, run: TaskRun, first: float, period: float, seconds: float, late: list[float]
    ) -> tuple[int, int]:
        taken = refused = 0
        turns = int(seconds / period)
        for turn in range(turns):
            due = first + turn * period
            now = time.monotonic()
            await asyncio.sleep(max(0, due - now))
            late.append(max(0.0, time.monotonic() - due))
            went = await publish_progress(
                self._runtime.publisher,
                session_id=None,
                task_id=run.id,
                task_type=TASK_TYPE,
                percentage=round(100 * turn / turns, 2),
                stage=f"Working on part {turn} of {turns}",
                details={"sent_ns": time.monotonic_ns(), "part": turn, "parts": turns},
                attempt=run.attempt,
            )
            taken += went
            refused += not went
        return taken, refused

    async def _settle(self, run_ids: list[str] | None) -> dict[str, Any]:
        """End runs as a worker does: the row first, then the message."""
        chosen = [UUID(name) for name in run_ids] if run_ids else list(self._runs)
        settler = self._runtime.settler
        for run_id in chosen:
            await settler.settle(self._runs.pop(run_id), Completed(summary={"parts": 1}))
        return {"settled": len(chosen)}


async def _main() -> None:
    async with open_runtime(application_name="bench-publisher") as runtime:
        configure_logs(runtime.settings)  # standard output is for answers
        publishers = Publishers(runtime)
        async for order in hear():
            say(await publishers.do(order))


if __name__ == "__main__":
    asyncio.run(_main())
