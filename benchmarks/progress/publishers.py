"""The process that works: its runs are real rows, and what they say goes the product's own way.

It is told what to do by lines on its input: `begin` runs, `publish` for a while, `settle` all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from benchmarks.progress.lines import hear, say
from benchmarks.progress.living import live
from benchmarks.progress.plan import Life
from ticketgen.domain import task_runs, transitions
from ticketgen.domain.task_runs import NewRun, TaskRun
from ticketgen.logs import configure_logs
from ticketgen.outcomes import Completed, Outcome
from ticketgen.progress import publish_progress
from ticketgen.runtime import Runtime, open_runtime

__all__ = ["TASK_TYPE", "Group", "Publishers", "begun_run", "publish_part"]

TASK_TYPE = "bench"
"""No plugin brings it: what is measured is the way of messages, not of work."""

Group = Mapping[str, Any]
"""`runs` that publish at a `rate` each, with so many `bytes` of filling in every message."""

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


async def publish_part(
    runtime: Runtime, run: TaskRun, *, percentage: float, details: Mapping[str, Any]
) -> bool:
    """One message of progress; False if Redis did not take it."""
    return await publish_progress(
        runtime.publisher,
        session_id=None,
        task_id=run.id,
        task_type=TASK_TYPE,
        percentage=round(percentage, 2),
        stage="Working on one part after another",
        details=details,
        attempt=run.attempt,
    )


class Publishers:
    """All runs of this process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._runs: dict[UUID, TaskRun] = {}
        self._living: list[asyncio.Task[None]] = []
        self._publishing: asyncio.Task[dict[str, Any]] | None = None

    async def do(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one order."""
        match order["do"]:
            case "begin":
                begun = [await begun_run(self._runtime) for _ in range(order["runs"])]
                self._runs |= {run.id: run for run in begun}
                return {"runs": [str(run.id) for run in begun]}
            case "publish":
                self._publishing = asyncio.create_task(
                    self._publish(order["groups"], order["seconds"])
                )
                return {}
            case "published":
                assert self._publishing is not None, "told before it was begun"
                return await self._publishing
            case "live":
                since = asyncio.get_running_loop().time() + order["lead"]
                self._living += [
                    asyncio.create_task(self._live(UUID(name), Life(**life), since))
                    for name, life in order["lives"].items()
                ]
                return {}
            case "lived":
                await asyncio.gather(*self._living)
                lived, self._living = len(self._living), []
                return {"lived": lived}
            case "settle":
                return await self._settle(order.get("runs"))
        raise ValueError(f"what is {order['do']!r}?")

    async def _publish(self, groups: Sequence[Group], seconds: float) -> dict[str, Any]:
        """Every run at the rate of its group, their turns spread evenly."""
        cpu, began = time.process_time(), time.monotonic()
        late: list[float] = []
        beats = [
            self._beat(
                self._runs[UUID(name)],
                group,
                first=began + place / len(group["runs"]) / group["rate"],
                turns=int(seconds * group["rate"]),
                late=late,
            )
            for group in groups
            for place, name in enumerate(group["runs"])
        ]
        sent = await asyncio.gather(*beats)
        lasted = time.monotonic() - began
        return {
            "published": sum(taken for taken, _ in sent),
            "refused": sum(refused for _, refused in sent),
            "seconds": round(lasted, 2),
            "cpu": round((time.process_time() - cpu) / lasted, 3),
            "latest_turn_ms": round(max(late) * 1000, 1),
        }

    async def _beat(
        self, run: TaskRun, group: Group, *, first: float, turns: int, late: list[float]
    ) -> tuple[int, int]:
        taken = refused = 0
        filling = "x" * group.get("bytes", 0)
        for turn in range(turns):
            due = first + turn / group["rate"]
            await asyncio.sleep(max(0, due - time.monotonic()))
            if run.id not in self._runs:  # settled meanwhile
                break
            late.append(max(0.0, time.monotonic() - due))
            details = {"sent_ns": time.monotonic_ns(), "part": turn, "filling": filling}
            went = await publish_part(
                self._runtime, run, percentage=100 * turn / turns, details=details
            )
            taken += went
            refused += not went
        return taken, refused

    async def _live(self, run_id: UUID, life: Life, since: float) -> None:
        run = self._runs.pop(run_id)

        async def publish(percentage: float) -> bool:
            return await publish_part(self._runtime, run, percentage=percentage, details={})

        async def settle(outcome: Outcome) -> None:
            await self._runtime.settler.settle(run, outcome)

        await live(life, since=since, publish=publish, settle=settle)

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
