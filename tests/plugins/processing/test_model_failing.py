"""What becomes of a generation while a model's server misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.plugins.processing.model_stub import GOOD, ModelStub, Reply, refusal, serving
from tests.plugins.processing.model_writing import KEY, brief, opening
from ticketgen.errors import RateLimitedError, TemporaryError, TicketgenError
from ticketgen_processing.errors import WriterNotSetUpError

both = pytest.mark.parametrize("name", ["openai", "anthropic"])

PASSING = {
    "busy": refusal(429, "rate_limit_exceeded", retry_after="0"),
    "busy, in ms": refusal(429, "rate_limit_exceeded", retry_after_ms="3"),
    "busy, silent": refusal(429, "rate_limit_exceeded"),
    "broken": refusal(500, "server_error"),
    "gateway": Reply(status=502, raw=b"<html>Bad gateway</html>"),
    "away": Reply(status=503, raw=b""),
    "overloaded": refusal(529, "overloaded_error"),
    "dropped": Reply(drops=True),
    "cut": Reply(raw=b'{"id": "answer", "choi', promised=5000),
    "not JSON": Reply(raw=b'{"id": "answer", "choi'),
    "empty": Reply(raw=b""),
    "other JSON": Reply(raw=b'{"hello": [1, 2]}'),
    "a list": Reply(raw=b"[]"),
    "a page": Reply(raw=b"<html>hi</html>", headers={"Content-Type": "text/html"}),
    "huge": Reply(raw=b" " * (9 * 1024 * 1024)),
}


@pytest.fixture
async def stub() -> AsyncIterator[ModelStub]:
    async with serving(ModelStub()) as started:
        yield started


@both
@pytest.mark.parametrize("what", PASSING)
async def test_a_failure_that_passes_is_waited_out(stub: ModelStub, name: str, what: str) -> None:
    stub.script(PASSING[what], PASSING[what], Reply())

    async with opening(stub, name) as opened:
        text = await opened.write(brief())

    assert text.user_story == GOOD["user_story"]
    assert text.notes == ()
    assert len(stub.questions) == text.usage.requests == 3
    assert text.usage.input_tokens == 1000


@both
@pytest.mark.parametrize("what", PASSING)
async def test_one_that_does_not_pass_puts_the_run_off_after_as_many_tries_as_are_set(
    stub: ModelStub, name: str, what: str
) -> None:
    stub.script(PASSING[what])

    async with opening(stub, name, model_tries=2) as opened:
        with pytest.raises(TemporaryError) as caught:
            await opened.write(brief())

    assert len(stub.questions) == 2
    assert isinstance(caught.value, RateLimitedError) == ("busy" in what)
    assert caught.value.recovery_actions
    assert not hasattr(caught.value, "usage")


@both
async def test_a_wait_that_is_too_long_is_left_to_the_run_which_is_told_how_long(
    stub: ModelStub, name: str
) -> None:
    stub.script(refusal(429, "rate_limit_exceeded", retry_after="120"))

    async with opening(stub, name) as opened:
        with pytest.raises(RateLimitedError) as caught:
            await opened.write(brief())

    assert len(stub.questions) == 1
    assert caught.value.retry_after == timedelta(seconds=120)


async def test_whoever_is_told_to_wait_lets_the_others_wait_as_well(stub: ModelStub) -> None:
    stub.script(refusal(429, "rate_limit_exceeded", retry_after="1"), Reply())

    async with opening(stub) as opened:
        first = asyncio.ensure_future(opened.write(brief()))
        await asyncio.wait_for(stub.asked.wait(), 20)
        await asyncio.sleep(0.2)
        others = [asyncio.ensure_future(opened.write(brief())) for _ in range(5)]
        await asyncio.sleep(0.2)
        while_waiting = len(stub.questions)
        await asyncio.gather(first, *others)

    assert while_waiting == 1
    assert len(stub.questions) == 7


@both
async def test_a_silent_server_is_given_up_after_the_time_that_is_set(
    stub: ModelStub, name: str
) -> None:
    stub.script(Reply(wait=30), Reply())

    async with opening(stub, name, model_timeout=timedelta(seconds=0.3)) as opened:
        text = await opened.write(brief())

    assert text.user_story == GOOD["user_story"]
    assert len(stub.questions) == 2


@both
async def test_a_server_that_is_not_there_is_temporary(name: str) -> None:
    async with serving(ModelStub()) as gone:
        pass

    async with opening(gone, name, model_tries=2) as opened:
        with pytest.raises(TemporaryError, match="cannot be reached"):
            await opened.write(brief())


REFUSALS = {
    "key": (refusal(401, "invalid_api_key"), "does not accept the key"),
    "forbidden": (refusal(403, "permission_denied"), "does not accept the key"),
    "model": (refusal(404, "model_not_found"), "has no model"),
    "parameter": (refusal(400, "unsupported_parameter"), "refuses to ask"),
    "credit": (refusal(429, "insufficient_quota"), "no credit left"),
    "elsewhere": (
        Reply(status=307, raw=b"", headers={"Location": "http://evil.example/v1"}),
        "another address",
    ),
}


@both
@pytest.mark.parametrize("what", REFUSALS)
async def test_a_refusal_is_for_an_administrator_and_is_not_repeated(
    stub: ModelStub, name: str, what: str
) -> None:
    reply, message = REFUSALS[what]
    if (name, what) == ("anthropic", "credit"):
        reply = refusal(402, "billing_error")
    stub.script(reply)

    async with opening(stub, name) as opened:
        with pytest.raises(WriterNotSetUpError, match=message) as caught:
            await opened.write(brief())

    assert len(stub.questions) == 1
    assert f"TICKETGEN_PROCESSING_{name.upper()}_" in f"{caught.value.recovery_actions}"
    assert KEY not in told(caught.value)


@both
async def test_an_error_after_an_answer_says_what_was_used_up(stub: ModelStub, name: str) -> None:
    refused = Reply(words={**GOOD, "success_criteria": ["The Subtitle is shown."]})
    stub.script(refused, refusal(500, "server_error"))

    async with opening(stub, name, model_tries=2) as opened:
        with pytest.raises(TemporaryError) as caught:
            await opened.write(brief())

    usage = caught.value.usage  # type: ignore[attr-defined]
    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (3, 1000, 100)
    assert len(stub.questions) == 3


@both
async def test_a_question_that_a_model_does_not_take_costs_one_ticket_its_words_and_no_run(
    stub: ModelStub, name: str
) -> None:
    too_long = "prompt is too long: 300000 tokens > 200000 maximum"
    code = "context_length_exceeded" if name == "openai" else "invalid_request_error"
    body = f'{{"error": {{"message": "{too_long}", "type": "{code}", "code": "{code}"}}}}'
    stub.script(Reply(status=400, raw=body.encode()))

    async with opening(stub, name) as opened:
        text = await opened.write(brief())

    assert "does not take what the sheets say" in text.notes[-1]
    assert len(stub.questions) == 1


async def test_requests_keep_to_the_pace_that_is_set(stub: ModelStub) -> None:
    stub.script(Reply(wait=0.05))

    async with opening(stub, model_requests_per_minute=600) as opened:
        await asyncio.gather(*(opened.write(brief()) for _ in range(5)))

    assert len(stub.questions) == 5
    assert stub.most_at_once == 1


async def test_no_more_requests_are_under_way_than_are_allowed(stub: ModelStub) -> None:
    stub.script(Reply(wait=0.05))

    async with opening(stub, model_concurrency=3) as opened:
        await asyncio.gather(*(opened.write(brief()) for _ in range(9)))

    assert opened.concurrency > 3, "hands that prepare while others wait"
    assert (len(stub.questions), stub.most_at_once) == (9, 3)


def told(error: TicketgenError) -> str:
    """All that anybody could read of an error."""
    seen: list[str] = []
    one: BaseException | None = error
    while one is not None:
        seen += [repr(one), str(one), repr(vars(one))]
        one = one.__cause__
    return "\n".join(seen)
