"""`ticketgen effects`: what a person sees of the ledger, and records in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from tests.core import elsewhere, lab
from tests.core.elsewhere import Elsewhere, do, intended, ledger, new_attempt
from ticketgen import Exclusivity
from ticketgen.cli.main import app
from ticketgen.domain.audit import AuditEntry
from ticketgen.domain.effects import EffectState
from ticketgen.errors import InvalidInputError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services

Command = Callable[..., Awaitable[Result]]


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as opened:
        yield opened


@pytest.fixture
def effects(settings: Settings, clean_environment: pytest.MonkeyPatch) -> Command:
    """`ticketgen effects …` on the servers of the test."""
    clean_environment.setenv("TICKETGEN_DATABASE_URL", str(settings.database_url))
    clean_environment.setenv("TICKETGEN_REDIS_URL", str(settings.redis_url))

    async def command(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, ["effects", *arguments])

    return command


async def test_a_person_sees_what_is_done_under_way_and_unknown(
    runtime: Runtime, effects: Command
) -> None:
    await do(await new_attempt(runtime), Elsewhere(), "first")
    await intended(runtime, "second")
    await intended(runtime, "third", over_in=elsewhere.TIMEOUT)

    everything = await effects("list")
    unknown = await effects("list", "--unknown")
    newest = await effects("list", "--limit", "1")

    lines = everything.stdout.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[1:]] == ["unknown", "done"]
    assert lines[2].endswith('lab create first  {"number": 1}')
    assert "first" not in unknown.stdout
    assert "lab create second" in unknown.stdout
    assert "more than these 1" in newest.stdout


async def test_a_person_sees_the_effects_of_one_session(runtime: Runtime, effects: Command) -> None:
    session_id = await lab.new_session(runtime)
    await intended(runtime, "mine", session_id=session_id)
    await intended(runtime, "other")

    listed = await effects("list", "--session", str(session_id))

    assert "create mine" in listed.stdout
    assert "create other" not in listed.stdout


async def test_what_a_person_found_is_the_result_from_then_on(
    runtime: Runtime, effects: Command
) -> None:
    await intended(runtime)
    there = Elsewhere()

    settled = await effects("settle", "lab", "create", "one", "--done", '{"number": 7}')

    assert settled.exit_code == 0, settled.output
    assert await do(await new_attempt(runtime), there, find=False) == {"number": 7}
    assert there.created == []
    async with runtime.session_factory() as db:
        entry = await db.scalar(select(AuditEntry).where(AuditEntry.action == "effect.settled"))
    assert entry is not None
    assert entry.subject == "lab create one"
    assert entry.details == {"done": True, "value": {"number": 7}}


async def test_what_a_person_did_not_find_is_done_anew(runtime: Runtime, effects: Command) -> None:
    await intended(runtime)
    there = Elsewhere()

    settled = await effects("settle", "lab", "create", "one", "--not-done")

    assert settled.exit_code == 0, settled.output
    assert await do(await new_attempt(runtime), there, find=False) == {"number": 1}


async def test_a_wrong_record_is_replaced_only_if_that_is_meant(
    runtime: Runtime, effects: Command
) -> None:
    await do(await new_attempt(runtime), Elsewhere())
    named = ("settle", "lab", "create", "one")

    refused = await effects(*named, "--done", "2")
    doubling = await effects(*named, "--not-done")
    unchanged = await ledger(runtime)
    replaced = await effects(*named, "--done", "2", "--overwrite")

    assert (refused.exit_code, doubling.exit_code, replaced.exit_code) == (1, 1, 0)
    assert "--overwrite" in refused.output
    assert "double" in doubling.output
    assert unchanged is not None
    assert unchanged.value == {"number": 1}
    assert await do(await new_attempt(runtime), Elsewhere()) == 2


async def test_what_may_still_be_under_way_cannot_be_settled_by_hand(
    runtime: Runtime, effects: Command
) -> None:
    await intended(runtime, over_in=elsewhere.TIMEOUT)

    answers = [
        await effects("settle", "lab", "create", "one", *answer)
        for answer in (("--not-done",), ("--done", "1"))
    ]

    assert [answer.exit_code for answer in answers] == [1, 1]
    assert all("Look again after" in answer.output for answer in answers)
    effect = await ledger(runtime)
    assert effect is not None
    assert effect.state is EffectState.INTENDED


async def test_what_the_ledger_does_not_know_cannot_be_settled(
    runtime: Runtime, effects: Command
) -> None:
    answer = await effects("settle", "lab", "create", "nothing", "--not-done")

    assert answer.exit_code == 1
    assert "ticketgen effects list" in answer.output


@pytest.mark.parametrize(
    "answer",
    [(), ("--not-done", "--done", "1"), ("--not-done", "--overwrite"), ("--done", "{no json")],
)
async def test_a_command_that_says_nothing_clear_changes_nothing(
    runtime: Runtime, effects: Command, answer: tuple[str, ...]
) -> None:
    await intended(runtime)

    refused = await effects("settle", "lab", "create", "one", *answer)

    assert isinstance(refused.exception, InvalidInputError)
    effect = await ledger(runtime)
    assert effect is not None
    assert effect.state is EffectState.INTENDED
