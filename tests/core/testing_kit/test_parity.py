"""The memory host says of a run what the real runner, on real servers, says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import delete, select

from tests.core.testing_kit.acme import Ask, Elsewhere, acme_plugin
from ticketgen import effects
from ticketgen.domain.effects import Effect, EffectState
from ticketgen.domain.failures import failures_of_run
from ticketgen.domain.run_steps import RunStep
from ticketgen.domain.task_runs import TaskRun
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import (
    MemoryHost,
    RunOutcome,
    progress_of,
    registry_of,
    run_until_settled,
    started_runs,
)

pytestmark = pytest.mark.services

WAYS = (
    "well", "user", "bug", "once", "exhausted", "steps", "effect", "unknown", "refused", "unjson",
    "nested", "start", "start unknown",
)  # fmt: skip
RUNS = (*(("acme", how) for how in WAYS), ("acme.slow", "well"), ("acme.thread", "well"))


def _seen_in_memory(outcome: RunOutcome) -> dict[str, Any]:
    error = outcome.error
    return {
        "state": outcome.state,
        "payload": outcome.payload,
        "summary": outcome.result_summary,
        "error": error
        and (error.category, error.code, error.user_message, list(error.recovery_actions)),
        "counted": (outcome.attempts, outcome.tries, len(outcome.waits)),
        "steps": outcome.steps,
        "effects": [(seen.operation, seen.key, seen.state, seen.value) for seen in outcome.effects],
        "started": [(seen.task_type, seen.request) for seen in outcome.started],
        "progress": [(s.attempt, s.percentage, s.stage, s.details) for s in outcome.progress],
    }


async def _seen_for_real(runtime: Runtime, run: TaskRun) -> dict[str, Any]:
    async with runtime.session_factory() as db:
        retried = [f for f in await failures_of_run(db, run.id) if f.severity == "transient"]
        steps = list(await db.scalars(select(RunStep).where(RunStep.lineage_id == run.lineage_id)))
        ledger = list(await db.scalars(select(Effect)))
    sent = [message for message in await progress_of(runtime, run) if message.type == "progress"]
    error: Mapping[str, Any] = run.error or {}
    names = ("error_category", "code", "user_message", "recovery_actions")
    return {
        "state": run.state,
        "payload": run.payload,
        "summary": run.result_summary,
        "error": tuple(error[name] for name in names) if error else None,
        "counted": (run.attempt, run.tries, len(retried)),
        "steps": {step.key: step.result["value"] for step in steps},
        "effects": [
            (e.operation, e.key, e.state, e.value if e.state is EffectState.DONE else None)
            for e in ledger
        ],
        "started": [
            (other.task_type, other.request)
            for other in await started_runs(runtime)
            if other.id != run.id
        ],
        "progress": [(m.attempt, m.progress_percentage, m.current_stage, m.details) for m in sent],
    }


async def _run_for_real(
    runtime: Runtime, there: Elsewhere, task_type: str, how: str
) -> dict[str, Any]:
    """On a host that knows of no earlier run."""
    there.created.clear()
    there.worked.clear()
    async with runtime.session_factory() as db:
        await db.execute(delete(Effect))
        await db.execute(delete(TaskRun))
        await db.commit()
    async with runtime.unit_of_work() as work:
        started = await work.start(task_type, request=Ask(how=how))
    return await _seen_for_real(runtime, await run_until_settled(runtime, started.run.id))


async def test_both_hosts_say_the_same_of_every_way_to_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "MARGIN", effects.MARGIN / 100)
    in_memory: dict[tuple[str, str], Any] = {}
    for_real: dict[tuple[str, str], Any] = {}

    for task, how in RUNS:
        outcome = await MemoryHost(acme_plugin(Elsewhere())).run(task, request=Ask(how=how))
        in_memory[task, how] = _seen_in_memory(outcome)
    there = Elsewhere()
    registry = registry_of(settings, acme_plugin(there))
    async with open_runtime(settings, registry=registry) as runtime:
        for task, how in RUNS:
            for_real[task, how] = await _run_for_real(runtime, there, task, how)

    assert len({str(seen) for seen in in_memory.values()}) == len(RUNS)
    assert in_memory == for_real
