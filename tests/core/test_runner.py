from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tests.core import lab
from ticketgen import RetryPolicy, TaskContext
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import (
    AdminRequiredError,
    ErrorCategory,
    InvalidInputError,
    TemporaryError,
    UserFixableError,
)
from ticketgen.maintenance import Reconciler
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


class _Summary(BaseModel):
    made_at: datetime
    names: tuple[str, ...]


async def _linger(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
    await asyncio.sleep(1_000)
    return {}


async def test_a_completed_run_keeps_its_summary_and_publishes_it(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime, request=lab.Note(note="hello"))

        settled = await run_to_end(runtime, run.id)

        assert settled.state is RunState.COMPLETED
        assert settled.result_summary == {"note": "hello", "attempt": 1}
        assert (settled.attempt, settled.tries) == (1, 1)
        assert settled.finished_at is not None
        [message] = await lab.messages_of(runtime, f"progress:{run.id}:lab")
        assert (message.type, message.status) == ("completed", "completed")
        assert message.result_summary == settled.result_summary


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (UserFixableError("Rename the column."), ErrorCategory.USER_FIXABLE),
        (AdminRequiredError("Ask for the right."), ErrorCategory.ADMIN_REQUIRED),
    ],
)
async def test_what_no_retry_can_mend_fails_at_once(
    settings: Settings, error: UserFixableError | AdminRequiredError, category: ErrorCategory
) -> None:
    async with lab.open_lab(settings, lab.task(handler=lab.raising(error))) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        [failure] = await lab.failures_of(runtime, run.id)
        [message] = await lab.messages_of(runtime, f"progress:{run.id}:lab")
        assert settled.state is RunState.FAILED
        assert settled.error is not None
        assert settled.error["error_id"] == str(failure.id)
        assert (failure.error_category, failure.severity) == (category, "blocking")
        assert (message.type, message.error_category) == ("error", category)
        assert message.user_message == failure.user_message == error.message


async def test_a_temporary_failure_is_tried_four_times_and_the_last_is_published(
    settings: Settings,
) -> None:
    handler = lab.raising(*(TemporaryError(f"Busy {n}.") for n in range(1, 5)))
    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        states = []

        for _ in range(4):
            await lab.change_run(runtime, run.id, available_at=run.created_at)
            states.append((await run_to_end(runtime, run.id)).state)

        failures = await lab.failures_of(runtime, run.id)
        messages = await lab.messages_of(runtime, f"progress:{run.id}:lab")
        settled = await lab.run_of(runtime, run.id)
        assert states == [RunState.QUEUED] * 3 + [RunState.FAILED]
        assert (settled.attempt, settled.tries) == (4, 4)
        assert [failure.severity for failure in failures] == ["transient"] * 3 + ["blocking"]
        assert [failure.attempt for failure in failures] == [1, 2, 3, 4]
        assert [(m.type, m.user_message) for m in messages] == [("error", "Busy 4.")]


async def test_a_retry_is_pushed_under_a_new_delivery_when_the_database_says_that_it_is_due(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.maintenance._OVERDUE", timedelta(0))
    handler = lab.raising(TemporaryError("Busy.", retry_after=timedelta(hours=1)))
    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.flushall()
        reconciler = Reconciler(settler=runtime.settler)

        queued = await run_to_end(runtime, run.id)
        again = await run_to_end(runtime, run.id)
        await reconciler.reconcile()
        early = await runtime.redis.zrange("arq:queue", 0, -1)
        await lab.change_run(runtime, run.id, available_at=run.created_at)
        await reconciler.reconcile()

        assert queued.delivery == 2
        assert queued.error is not None
        assert queued.error["user_message"] == "Busy."
        assert (again.state, again.attempt) == (RunState.QUEUED, 1)
        assert early == []
        assert await runtime.redis.zrange("arq:queue", 0, -1) == [f"lab:{run.id}:3".encode()]


async def test_a_run_that_succeeds_after_a_retry_shows_no_error(settings: Settings) -> None:
    calls: list[int] = []

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        calls.append(ctx.run.tries)
        if len(calls) == 1:
            raise TemporaryError("Busy.")
        return {}

    retry = RetryPolicy(base=timedelta(0))
    async with lab.open_lab(settings, lab.task(handler=handler, retry=retry)) as runtime:
        run = await lab.start(runtime)
        await run_to_end(runtime, run.id)

        settled = await run_to_end(runtime, run.id)

        assert (settled.state, settled.error) == (RunState.COMPLETED, None)
        assert calls == [1, 2]


async def test_an_unexpected_exception_is_told_to_operators_only(settings: Settings) -> None:
    handler = lab.raising(ValueError("secret of the machine room"))
    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        [failure] = await lab.failures_of(runtime, run.id)
        [message] = await lab.messages_of(runtime, f"progress:{run.id}:lab")
        assert settled.state is RunState.FAILED
        assert (failure.code, failure.error_category) == ("unexpected", "admin_required")
        assert "secret of the machine room" in failure.technical_details["exception"]
        assert "in handler" in failure.technical_details["traceback"]
        assert "secret" not in message.model_dump_json()
        assert "secret" not in str(settled.error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("before\x00after \ud800"),
        InvalidInputError(
            "cell \x00 \udfff",
            recovery_actions=["remove \x00"],
            technical_details={"a\x00": {"b": ["\x00", float("nan"), object()]}},
        ),
    ],
    ids=["unexpected", "expected"],
)
async def test_no_character_in_a_failure_keeps_it_from_being_recorded(
    settings: Settings, error: Exception
) -> None:
    async with lab.open_lab(settings, lab.task(handler=lab.raising(error))) as runtime:
        run = await lab.start(runtime)

        async with asyncio.timeout(lab.PATIENCE):
            settled = await run_to_end(runtime, run.id)

        [failure] = await lab.failures_of(runtime, run.id)
        [message] = await lab.messages_of(runtime, f"progress:{run.id}:lab")
        assert settled.state is RunState.FAILED
        assert "�" in str(failure.technical_details)
        assert message.user_message == failure.user_message


async def test_a_summary_is_stored_whatever_is_in_it(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> Any:
        return {
            "nul": "\x00",
            "when": datetime(2026, 1, 2, tzinfo=UTC),
            "rate": float("inf"),
            3: {1},
        }

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        async with asyncio.timeout(lab.PATIENCE):
            settled = await run_to_end(runtime, run.id)

        assert settled.state is RunState.COMPLETED
        assert settled.result_summary == {
            "nul": "�",
            "when": "2026-01-02 00:00:00+00:00",
            "rate": "inf",
            "3": [1],
        }


async def test_a_model_is_a_summary_too(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> Any:
        return _Summary(made_at=datetime(2026, 1, 2, tzinfo=UTC), names=("a", "b"))

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.result_summary == {"made_at": "2026-01-02T00:00:00Z", "names": ["a", "b"]}


async def test_a_run_that_takes_too_long_is_stopped_and_recorded(settings: Settings) -> None:
    task = lab.task(handler=_linger, timeout=timedelta(seconds=0.1))
    async with lab.open_lab(settings, task) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        [failure] = await lab.failures_of(runtime, run.id)
        assert settled.state is RunState.FAILED
        assert failure.code == "task_timeout"
        assert "0:00:00.1" in failure.user_message


async def test_a_time_limit_in_the_middle_of_a_statement_leaves_a_whole_pool(
    settings: Settings,
) -> None:
    from sqlalchemy import text

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async with ctx.transaction() as db:
            await db.execute(text("SELECT pg_sleep(5)"))
        return {}

    task = lab.task(handler=handler, timeout=timedelta(seconds=0.2))
    async with lab.open_lab(settings, task) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        [failure] = await lab.failures_of(runtime, run.id)
        assert (settled.state, failure.code) == (RunState.FAILED, "task_timeout")


async def test_a_time_limit_inside_the_handler_is_not_taken_for_the_run_s(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(1_000)
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        await run_to_end(runtime, run.id)

        [failure] = await lab.failures_of(runtime, run.id)
        assert failure.code == "unexpected"
        assert "TimeoutError" in failure.technical_details["exception"]


async def test_a_missing_file_is_no_lost_database(settings: Settings) -> None:
    handler = lab.raising(FileNotFoundError("template.md"))
    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.error is not None
        assert (settled.state, settled.error["code"]) == (RunState.FAILED, "unexpected")


async def test_a_payload_that_does_not_fit_its_model_is_parked_under_that_name(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, payload={"note": {"not": "text"}})

        parked = await run_to_end(runtime, run.id)

        assert parked.parked is not None
        assert (parked.state, parked.tries) == (RunState.PARKED, 0)
        assert parked.parked["code"] == "unreadable_payload"
        assert parked.parked["version"] == runtime.registry.version_of("lab")
        assert "lab" in parked.parked["message"]
        assert "note: " in parked.parked["message"]
        assert await lab.messages_of(runtime, f"progress:{run.id}:lab") == []


async def test_a_model_the_handler_itself_cannot_build_is_no_unreadable_payload(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        return {"note": lab.Note.model_validate({"note": 3}).note}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.error is not None
        assert (settled.state, settled.error["code"]) == (RunState.FAILED, "unexpected")


async def test_a_handler_that_wants_to_end_the_process_fails_its_run_only(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task(handler=lab.raising(SystemExit(3)))) as runtime:
        run = await lab.start(runtime)

        failed = await run_to_end(runtime, run.id)

        assert failed.state is RunState.FAILED
        assert failed.error is not None
        assert failed.error["code"] == "unexpected"


async def test_the_last_progress_stays_with_the_run(settings: Settings) -> None:
    async def work(ctx: TaskContext, payload: lab.Note) -> dict[str, object]:
        await ctx.progress(10, "First")
        await asyncio.sleep(0.2)
        await ctx.progress(90, "Last")
        return {}

    async with lab.open_lab(settings, lab.task(handler=work)) as runtime:
        run = await lab.start(runtime)

        completed = await run_to_end(runtime, run.id)

        assert completed.progress["stage"] == "Last"


async def test_a_step_result_keeps_what_can_be_stored_of_it(settings: Settings) -> None:
    async def work(ctx: TaskContext, payload: lab.Note) -> dict[str, object]:
        async def name() -> str:
            return "a\x00b"

        return {"name": await ctx.step("name", name)}

    async with lab.open_lab(settings, lab.task(handler=work)) as runtime:
        run = await lab.start(runtime)

        completed = await run_to_end(runtime, run.id)

        assert completed.result_summary == {"name": "a\ufffdb"}
