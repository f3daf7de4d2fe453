"""The life of a run, played at random over the real store beside a model of it in plain Python."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, func, update

from tests.core import lab
from tests.core.run_model import (
    MAX_TRIES,
    OUTCOMES,
    SETTLED,
    TASKS,
    WORKERS,
    Host,
    ModelRun,
    Unit,
    hosted,
    values_of,
)
from ticketgen import Exclusivity
from ticketgen.domain import run_attempts, task_runs, transitions
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import ACTIVE_STATES, RunState, TaskRun
from ticketgen.domain.transitions import POISON_BOUND, StaleAttemptError
from ticketgen.settings import Settings
from ticketgen.starting import MAX_RETRIES, NotCancellableError, NotRetryableError

pytestmark = [pytest.mark.services, pytest.mark.timeout(1_800)]


class _RunStates(RuleBasedStateMachine):
    host: ClassVar[Host]

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[ModelRun] = []
        self.frozen: dict[UUID, dict[str, Any]] = {}

    # What is done to runs.

    @initialize()
    def begin(self) -> None:
        async def forget() -> None:
            async with self.host.runtime.session_factory() as db:
                await db.execute(delete(TaskRun))
                await db.commit()

        self.host.do(forget())
        self.start("lab.a")
        self._claim(self.runs[0], WORKERS[0], alone=False)

    @precondition(lambda self: sum(run.state in ACTIVE_STATES for run in self.runs) < 3)
    @rule(task_type=st.sampled_from(sorted(TASKS)))
    def start(self, task_type: str) -> None:
        async def start() -> Any:
            async with self._unit() as work:
                return await work.start(task_type)

        active = self._active_of(task_type)

        started = self.host.do(start())

        assert started.existing == (active is not None)
        if active is None:
            run = started.run
            self.runs.append(ModelRun(id=run.id, task_type=task_type, lineage=run.id))
        else:
            assert started.run.id == active.id

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 99), worker=st.sampled_from(WORKERS), alone=st.booleans())
    def claim(self, which: int, worker: UUID, alone: bool) -> None:
        self._claim(self._pick(which), worker, alone=alone)

    def _claim(self, run: ModelRun, worker: UUID, *, alone: bool) -> None:
        fit = alone or (run.due and run.rescues < POISON_BOUND - 1)
        fit = fit and run.state is RunState.QUEUED

        claimed = self.host.do(lab.claim(self.host.runtime, run.id, worker_id=worker, alone=alone))

        assert (claimed is not None) == fit
        if claimed is not None:
            run.state, run.alone, run.expired = RunState.RUNNING, alone, False
            run.tries += 1
            run.outcomes.append(None)
            run.claims.append(claimed)
            run.workers.append(worker)

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 99), renewing=st.booleans())
    def reserve(self, which: int, renewing: bool) -> None:
        run = self._pick(which)
        fit = run.state is RunState.QUEUED and run.rescues >= POISON_BOUND - 1

        async def reserve() -> bool:
            async with self.host.runtime.session_factory() as db:
                reserved = await transitions.reserve_run(
                    db, run.id, until_claimed=timedelta(hours=1), renewing=renewing
                )
                await db.commit()
            return reserved

        reserved = self.host.do(reserve())

        assert reserved == (fit and (run.due or renewing))
        run.due = run.due and not reserved

    @precondition(lambda self: any(run.claims for run in self.runs))
    @rule(which=st.integers(0, 99), attempt=st.integers(0, 99), worker=st.sampled_from(WORKERS))
    def renew(self, which: int, attempt: int, worker: UUID) -> None:
        run = self._pick(which, claimed=True)
        number = attempt % run.attempt + 1
        ours = run.outcomes[number - 1] is None and run.workers[number - 1] == worker

        async def renew() -> set[tuple[UUID, int]]:
            async with self.host.runtime.session_factory() as db:
                renewed = await run_attempts.renew_leases(
                    db, worker_id=worker, held=[(run.id, number)], lease=timedelta(hours=1)
                )
                await db.commit()
            return renewed

        renewed = self.host.do(renew())

        assert renewed == ({(run.id, number)} if ours else set())
        run.expired = run.expired and not ours

    @precondition(lambda self: self._any_in(RunState.RUNNING))
    @rule(which=st.integers(0, 99))
    def let_the_lease_expire(self, which: int) -> None:
        run = self._pick(which, RunState.RUNNING)
        self.host.do(lab.expire_lease(self.host.runtime, run.id))
        run.expired = True

    @precondition(lambda self: any(run.claims for run in self.runs))
    @rule(which=st.integers(0, 99), attempt=st.integers(0, 99))
    def rescue(self, which: int, attempt: int) -> None:
        run = self._pick(which, claimed=True)
        number = run.attempt if attempt % 4 else attempt // 4 % run.attempt + 1
        self._rescue(run, number)

    @precondition(lambda self: self._any_in(RunState.RUNNING))
    @rule(which=st.integers(0, 99), worker=st.sampled_from(WORKERS), alone=st.booleans())
    def overtake(self, which: int, worker: UUID, alone: bool) -> None:
        run = self._pick(which, RunState.RUNNING)
        self.host.do(lab.expire_lease(self.host.runtime, run.id))
        run.expired = True
        self._rescue(run, run.attempt)
        self._claim(run, worker, alone=alone)

    def _rescue(self, run: ModelRun, number: int) -> None:
        dead = run.state is RunState.RUNNING and run.expired and number == run.attempt

        rescued = self.host.do(self.host.runtime.settler.rescue(run.id, number))

        assert (rescued is not None) == dead
        if not dead:
            return
        if run.cancel_asked:
            run.end(AttemptOutcome.LOST, RunState.CANCELLED)
            return
        run.rescues += 1
        if run.alone and run.rescues >= POISON_BOUND:
            run.end(AttemptOutcome.LOST, RunState.FAILED)
        else:
            run.end(AttemptOutcome.LOST, RunState.QUEUED, tries=-1)
            run.due = True

    @precondition(lambda self: self._any_in(RunState.RUNNING))
    @rule(which=st.integers(0, 99), name=st.sampled_from(sorted(OUTCOMES)))
    def settle(self, which: int, name: str) -> None:
        run = self._pick(which, RunState.RUNNING)
        self.host.do(self.host.runtime.settler.store(run.claims[-1], OUTCOMES[name]))
        self._settled(run, name)

    @precondition(lambda self: self._stale())
    @rule(which=st.integers(0, 99), name=st.sampled_from(sorted(OUTCOMES)))
    def settle_too_late(self, which: int, name: str) -> None:
        stale = self._stale()
        run_id, claimed = stale[which % len(stale)]
        before = self._row(run_id)

        with pytest.raises(StaleAttemptError):
            self.host.do(self.host.runtime.settler.store(claimed, OUTCOMES[name]))

        assert self._row(run_id) == before

    def _settled(self, run: ModelRun, name: str) -> None:
        if name == "completed":
            run.end(AttemptOutcome.COMPLETED, RunState.COMPLETED)
        elif name == "failed" or (name.startswith("busy") and run.tries >= MAX_TRIES):
            run.end(AttemptOutcome.FAILED, RunState.FAILED)
        elif name == "cancelled" or run.cancel_asked:
            run.end(AttemptOutcome.CANCELLED, RunState.CANCELLED)
        elif name == "parked":
            run.end(AttemptOutcome.PARKED, RunState.PARKED, tries=-1)
        elif name == "handed back":
            run.end(AttemptOutcome.HANDED_BACK, RunState.QUEUED, tries=-1)
            run.due = True
        else:
            run.end(AttemptOutcome.RETRIED, RunState.QUEUED)
            run.due = name == "busy"

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 99))
    def cancel(self, which: int) -> None:
        run = self._pick(which)

        async def cancel() -> TaskRun:
            async with self._unit() as work:
                return await work.cancel(run.id)

        if run.state in {RunState.COMPLETED, RunState.FAILED}:
            with pytest.raises(NotCancellableError):
                self.host.do(cancel())
            return
        self.host.do(cancel())
        if run.state is RunState.RUNNING:
            run.cancel_asked = True
        else:
            run.state = RunState.CANCELLED

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 99))
    def park(self, which: int) -> None:
        run = self._pick(which)
        waits = run.state is RunState.QUEUED

        async def park() -> list[TaskRun]:
            async with self.host.runtime.session_factory() as db:
                parked = await transitions.park_waiting_runs(
                    db, [run.id], reason={"code": "not_served"}
                )
                await db.commit()
            return parked

        parked = self.host.do(park())

        assert bool(parked) == waits
        run.state = RunState.PARKED if waits else run.state

    @precondition(lambda self: self.runs)
    @rule(which=st.integers(0, 99))
    def resume(self, which: int) -> None:
        run = self._pick(which)
        was_parked = run.state is RunState.PARKED

        async def resume() -> list[TaskRun]:
            async with self.host.runtime.session_factory() as db:
                resumed = await transitions.resume_runs(db, [run.id])
                await db.commit()
            return resumed

        resumed = self.host.do(resume())

        assert bool(resumed) == was_parked
        if was_parked:
            run.state, run.due = RunState.QUEUED, True

    @precondition(lambda self: any(run.state in SETTLED for run in self.runs))
    @rule(which=st.integers(0, 99))
    def retry_by_hand(self, which: int) -> None:
        run = self._pick(which, *SETTLED)
        newest = max(
            (other.retry_count for other in self.runs if other.lineage == run.lineage), default=0
        )
        may = run.state is not RunState.COMPLETED and run.retry_count == newest < MAX_RETRIES

        async def retry() -> Any:
            async with self._unit() as work:
                return await work.retry(run.id)

        if not may:
            with pytest.raises(NotRetryableError):
                self.host.do(retry())
            return
        active = self._active_of(run.task_type)
        retried = self.host.do(retry())
        assert retried.existing == (active is not None)
        if active is None:
            new = ModelRun(id=retried.run.id, task_type=run.task_type, lineage=run.lineage)
            new.retry_count = run.retry_count + 1
            self.runs.append(new)
            assert (retried.run.retry_of, retried.run.retry_count) == (run.id, new.retry_count)

    @precondition(lambda self: self._any_in(RunState.QUEUED))
    @rule(which=st.integers(0, 99))
    def let_an_hour_pass(self, which: int) -> None:
        run = self._pick(which, RunState.QUEUED)

        async def pass_by() -> None:
            async with self.host.runtime.session_factory() as db:
                await db.execute(
                    update(TaskRun)
                    .where(TaskRun.id == run.id)
                    .values(available_at=func.clock_timestamp())
                )
                await db.commit()

        self.host.do(pass_by())
        run.due = True

    # What always holds.

    @invariant()
    def everything_is_lawful(self) -> None:
        rows, attempts = self.host.do(self.host.everything())
        assert set(rows) == {run.id for run in self.runs}
        for run in self.runs:
            _is_as_it_should_be(run, rows[run.id], attempts.get(run.id, []))
        keys = [row.exclusivity_key for row in rows.values() if row.state in ACTIVE_STATES]
        assert len(keys) == len(set(keys)), "two active runs share a key"
        for run_id, row in rows.items():
            if run_id in self.frozen:
                assert values_of(row) == self.frozen[run_id], "a settled run has changed"
            elif row.state in SETTLED:
                self.frozen[run_id] = values_of(row)

    # How it is found out.

    def _pick(self, which: int, *states: RunState, claimed: bool = False) -> ModelRun:
        fit = [
            run
            for run in self.runs
            if (not states or run.state in states) and (run.claims or not claimed)
        ]
        return fit[which % len(fit)]

    def _stale(self) -> list[tuple[UUID, TaskRun]]:
        """What is in the hands of attempts that have ended; those of active runs first."""
        stale = [
            (run.state in SETTLED, run.id, claimed)
            for run in self.runs
            for claimed, outcome in zip(run.claims, run.outcomes, strict=True)
            if outcome is not None
        ]
        return [(run_id, claimed) for _, run_id, claimed in sorted(stale, key=lambda item: item[0])]

    def _any_in(self, state: RunState) -> bool:
        return any(run.state is state for run in self.runs)

    def _active_of(self, task_type: str) -> ModelRun | None:
        if TASKS[task_type] is Exclusivity.NONE:
            return None
        active = [r for r in self.runs if r.task_type == task_type and r.state in ACTIVE_STATES]
        assert len(active) <= 1
        return active[0] if active else None

    def _unit(self) -> Unit:
        return Unit(self.host.runtime)

    def _row(self, run_id: UUID) -> dict[str, Any]:
        async def row() -> dict[str, Any]:
            async with self.host.runtime.session_factory() as db:
                return values_of(await task_runs.get_run(db, run_id))

        return self.host.do(row())


def _is_as_it_should_be(run: ModelRun, row: TaskRun, history: list[RunAttempt]) -> None:
    assert (row.state, row.attempt) == (run.state, run.attempt)
    assert (row.tries, row.rescues) == (run.tries, run.rescues)
    assert row.tries >= 0
    assert [item.attempt for item in history] == list(range(1, run.attempt + 1))
    assert [item.outcome for item in history] == run.outcomes
    still_open = [item for item in history if item.ended_at is None]
    assert len(still_open) == (1 if row.state is RunState.RUNNING else 0)
    assert (row.parked is not None) == (row.state is RunState.PARKED)
    assert (row.finished_at is not None) == (row.state in SETTLED)


def test_whatever_is_done_in_whatever_order_a_run_is_in_a_lawful_state(settings: Settings) -> None:
    thorough = hypothesis.settings.get_current_profile_name() == "thorough"
    chosen = hypothesis.settings(
        max_examples=300 if thorough else 15,
        stateful_step_count=60 if thorough else 40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    with hosted(settings) as host:
        machine = type("RunStates", (_RunStates,), {"host": host})
        run_state_machine_as_test(machine, settings=chosen)
