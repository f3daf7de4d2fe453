from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tests.core.testing_kit.acme import NO_SESSION, AcmeSettings, Ask, Elsewhere, acme_plugin
from ticketgen import Plugin, StartContext, Task, TaskContext
from ticketgen.domain.effects import EffectState
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import (
    ConfigurationError,
    ConflictError,
    ErrorCategory,
    InvalidInputError,
    NotFoundError,
)
from ticketgen.settings import Settings
from ticketgen.testing import (
    FakeClock,
    MemoryHost,
    NeedsDatabaseError,
    ProgressSeen,
    StartSeen,
    make_session,
)


@pytest.fixture
def there() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def host(there: Elsewhere, clean_environment: pytest.MonkeyPatch) -> MemoryHost:
    return MemoryHost(acme_plugin(there))


async def test_a_run_completes_with_its_summary_its_payload_and_its_progress(
    host: MemoryHost,
) -> None:
    outcome = await host.run("acme", request={"how": "gladly"})

    assert outcome.completed() == {"how": "gladly", "prefix": "acme", "attempt": 1}
    assert outcome.payload == {"schema_version": 1, "how": "gladly", "pause": "PT2M"}
    assert outcome.progress == (
        ProgressSeen(percentage=12.35, stage="Beginning", details={"path": ["a", 1]}),
    )
    assert (outcome.attempts, outcome.tries, outcome.waits) == (1, 1, ())


async def test_the_plugins_own_settings_are_given_or_read(
    there: Elsewhere, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("TICKETGEN_ACME_PREFIX", "read")

    read = await MemoryHost(acme_plugin(there)).run("acme")
    given = await MemoryHost(acme_plugin(there), settings=AcmeSettings(prefix="given")).run("acme")

    assert (read.completed()["prefix"], given.completed()["prefix"]) == ("read", "given")


async def test_settings_that_are_given_are_not_looked_for_in_the_environment(
    there: Elsewhere, clean_environment: pytest.MonkeyPatch
) -> None:
    class Demanding(AcmeSettings):
        token: str

    plugin = Plugin(**(vars(acme_plugin(there)) | {"settings": Demanding}))

    outcome = await MemoryHost(plugin, settings=Demanding(prefix="given", token="t")).run("acme")

    assert outcome.completed()["prefix"] == "given"
    with pytest.raises(ConfigurationError, match="TICKETGEN_ACME_TOKEN"):
        MemoryHost(plugin)


async def test_a_refused_start_raises_what_prepare_raised(host: MemoryHost) -> None:
    with pytest.raises(NotFoundError, match="nothing to do"):
        await host.run("acme", request=Ask(how="never"))


async def test_an_unfit_request_is_refused_with_the_field(host: MemoryHost) -> None:
    with pytest.raises(InvalidInputError, match="acme: how: "):
        await host.run("acme", request={"how": ["a", "list"]})


async def test_a_run_that_is_no_success_says_why_and_what_was_raised(host: MemoryHost) -> None:
    outcome = await host.run("acme", request={"how": "bug"})

    with pytest.raises(AssertionError, match="the run of acme is failed: The task stopped") as said:
        outcome.completed()
    assert isinstance(said.value.__cause__, KeyError)
    assert outcome.error is not None
    assert "no such key" in outcome.error.technical_details["traceback"]


async def test_the_waits_before_retries_pass_on_the_fake_clock(there: Elsewhere) -> None:
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    host = MemoryHost(acme_plugin(there), clock=clock, randomness=random.Random(1))

    outcome = await host.run("acme", request={"how": "exhausted"})

    assert outcome.error is not None
    assert outcome.error.category is ErrorCategory.TEMPORARY
    assert outcome.attempts == 3
    assert clock.now() == datetime(2026, 3, 1, tzinfo=UTC) + sum(outcome.waits, timedelta())
    seeded = random.Random(1)
    assert outcome.waits == (
        timedelta(seconds=8) * seeded.random(),
        timedelta(seconds=10) * seeded.random(),
    )


async def test_a_step_is_done_once_and_comes_back_as_json(
    host: MemoryHost, there: Elsewhere
) -> None:
    outcome = await host.run("acme", request={"how": "steps"})
    again = await host.run("acme", request={"how": "steps"}, retry_of=outcome)
    anew = await host.run("acme", request={"how": "steps"})

    assert outcome.completed() == {"found": [1, 2], "worked": 1}
    assert outcome.steps == {"count": [1, 2]}
    assert again.completed()["worked"] == 1
    assert again.lineage_id == outcome.run_id
    assert anew.completed()["worked"] == 2


async def test_an_effect_is_done_once_over_all_runs_of_the_host(
    host: MemoryHost, there: Elsewhere
) -> None:
    first = await host.run("acme", request={"how": "effect"})
    second = await host.run("acme", request={"how": "effect"})

    assert first.completed() == second.completed() == {"made": {"number": 1}, "created": 1}
    [effect] = second.effects
    assert (effect.operation, effect.key, effect.state) == ("create", "one", EffectState.DONE)
    assert effect.value == {"number": 1}


async def test_an_effect_nobody_can_look_up_is_asked_about(
    host: MemoryHost, there: Elsewhere
) -> None:
    outcome = await host.run("acme", request={"how": "unknown"})

    assert outcome.error is not None
    assert outcome.error.code == "outcome_unknown"
    assert there.created == ["one"]
    assert [effect.state for effect in outcome.effects] == [EffectState.INTENDED]


async def test_a_refused_effect_leaves_nothing_in_the_ledger(host: MemoryHost) -> None:
    outcome = await host.run("acme", request={"how": "refused"})

    assert outcome.error is not None
    assert outcome.error.user_message == "There is no such project."
    assert outcome.effects == ()


async def test_started_tasks_are_noted_and_can_be_run_then(host: MemoryHost) -> None:
    outcome = await host.run("acme", request={"how": "start"})
    [started] = outcome.started
    then = await host.run(started.task_type, request=started.request)

    assert outcome.completed() == {"existing": [False, True]}
    assert started == StartSeen(task_type="acme.thread", request={"how": "well"})
    assert then.completed() == {"answer": 42}


async def test_a_task_nobody_offers_cannot_be_started_unless_it_is_known(
    there: Elsewhere,
) -> None:
    unknown = await MemoryHost(acme_plugin(there)).run("acme", request={"how": "start unknown"})
    known = await MemoryHost(acme_plugin(there), known_tasks=("elsewhere",)).run(
        "acme", request={"how": "start unknown"}
    )

    assert unknown.error is not None
    assert "'elsewhere'" in unknown.error.user_message
    assert [started.task_type for started in known.started] == ["elsewhere"]


@pytest.mark.parametrize(("task", "place"), [("acme", "Beginning"), ("acme.thread", "Half")])
async def test_a_run_is_cancelled_where_its_progress_has_come_to(
    host: MemoryHost, task: str, place: str
) -> None:
    outcome = await host.run(task, cancel_at=place)

    assert outcome.state is RunState.CANCELLED
    assert [seen.stage for seen in outcome.progress] == [place]
    assert outcome.error is None
    with pytest.raises(AssertionError, match="is cancelled"):
        outcome.completed()


async def test_a_run_is_cancelled_before_a_step(host: MemoryHost, there: Elsewhere) -> None:
    outcome = await host.run("acme", request={"how": "steps"}, cancel_at="count")

    assert outcome.state is RunState.CANCELLED
    assert there.worked == []


async def test_the_time_limit_stops_a_handler(host: MemoryHost) -> None:
    outcome = await host.run("acme.slow")

    assert outcome.error is not None
    assert outcome.error.code == "task_timeout"


async def test_a_session_moves_as_the_task_declares(host: MemoryHost) -> None:
    session, other = make_session(stage=Stage.REVIEW), make_session(stage=Stage.REVIEW)

    completed = await host.run("acme.session", session=session)
    failed = await host.run("acme.session", session=other, request={"how": "user"})

    assert completed.completed() == {"session": str(session.id)}
    assert failed.state is RunState.FAILED
    assert (session.stage, other.stage) == (Stage.COMPLETED, Stage.UPLOAD)


async def test_a_session_in_another_stage_refuses_the_start(host: MemoryHost) -> None:
    with pytest.raises(ConflictError, match="needs the session in stage `review`"):
        await host.run("acme.session", session=make_session(stage=Stage.UPLOAD))


async def test_a_task_with_a_session_needs_one_and_one_without_takes_none(
    host: MemoryHost,
) -> None:
    with pytest.raises(InvalidInputError, match="needs a session"):
        await host.run("acme.session")
    with pytest.raises(InvalidInputError, match="is not about a session"):
        await host.run("acme", session=make_session())


class Empty(BaseModel):
    """Nothing."""


async def _swallow(ctx: TaskContext, payload: Empty) -> dict[str, Any]:
    try:
        async with ctx.transaction():
            pass
    except Exception:
        return {"swallowed": True}
    return {}


async def _look(start: StartContext, request: Empty) -> Empty:
    await start.db.scalar(None)  # type: ignore[call-overload]
    return Empty()


async def _pass(start: StartContext, request: Empty) -> Empty:
    return Empty()


def _wanting(prepare: Any) -> Plugin:
    task = Task(
        name="wanting",
        summary="Wants a database.",
        request=Empty,
        payload=Empty,
        prepare=prepare,
        handler=_swallow,
        job_name="wanting_job",
        **NO_SESSION,
    )
    return Plugin(name="wanting", summary="Wants a database.", tasks=(task,))


@pytest.mark.parametrize(
    ("prepare", "what"), [(_pass, r"ctx\.transaction\(\)"), (_look, "StartContext.db")]
)
async def test_what_needs_a_database_says_how_to_test_it(prepare: Any, what: str) -> None:
    host = MemoryHost(_wanting(prepare))

    with pytest.raises(NeedsDatabaseError, match=f"{what} needs a database.*`runtime`"):
        await host.run("wanting")


def test_a_plugin_the_host_would_refuse_is_refused() -> None:
    task = _wanting(_pass).tasks

    with pytest.raises(ConfigurationError, match="outside the plugin's names"):
        MemoryHost(Plugin(name="other", summary="Other.", tasks=task))


def test_a_schedule_fires_by_its_own_zone(host: MemoryHost) -> None:
    times = host.fires(
        "night",
        between=(datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)),
    )

    assert [moment.isoformat() for moment in times] == [
        "2026-03-28T01:30:00+00:00",
        "2026-03-29T01:00:00+00:00",  # 02:30 is skipped: at the first moment after the gap
        "2026-03-30T00:30:00+00:00",
    ]


async def test_a_schedule_runs_its_task(host: MemoryHost) -> None:
    outcome = await host.fire("night")

    assert outcome.completed()["how"] == "well"
    with pytest.raises(NotFoundError, match="no schedule 'noon'"):
        await host.fire("noon")


async def test_a_lifespan_is_opened_once_for_a_block(there: Elsewhere) -> None:
    opened: list[str] = []
    plugin = acme_plugin(there)
    lifespan = plugin.lifespan
    assert lifespan is not None

    def counted(host: Any) -> Any:
        opened.append(host.role)
        return lifespan(host)

    async with MemoryHost(Plugin(**(vars(plugin) | {"lifespan": counted}))) as host:
        await host.run("acme")
        await host.run("acme")

    assert opened == ["worker"]


async def test_a_lifespan_that_never_starts_is_not_waited_for(there: Elsewhere) -> None:
    @asynccontextmanager
    async def stuck(host: Any) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    @asynccontextmanager
    async def refused(host: Any) -> AsyncIterator[None]:
        raise TimeoutError("no answer")
        yield

    values = vars(acme_plugin(there))
    quick = Settings(required_plugins=(), plugin_start_timeout=timedelta(milliseconds=50))

    with pytest.raises(ConfigurationError, match="'acme' did not start within 0"):
        await MemoryHost(Plugin(**(values | {"lifespan": stuck})), host_settings=quick).run("acme")
    with pytest.raises(TimeoutError, match="no answer"):
        await MemoryHost(Plugin(**(values | {"lifespan": refused}))).run("acme")


def test_the_clock_stands_still_and_goes_forward_only() -> None:
    clock = FakeClock()
    began = clock.now()

    clock.advance(timedelta(hours=1))

    assert clock.now() - began == timedelta(hours=1)
    with pytest.raises(ValueError, match="put back"):
        clock.advance(-timedelta(seconds=1))
    with pytest.raises(ValueError, match="no time zone"):
        FakeClock(datetime(2026, 1, 1))  # noqa: DTZ001 - that it has none is the point
