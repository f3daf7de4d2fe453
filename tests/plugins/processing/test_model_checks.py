"""Before a start: whether a model would answer, what it would take, and what must be set for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from tests.plugins.processing.model_stub import ModelStub, Reply, refusal, serving
from tests.plugins.processing.model_writing import KEY, brief, settings, writer
from ticketgen.provides import WriterHealth
from ticketgen_processing.errors import WriterNotSetUpError
from ticketgen_processing.models import access as model_access
from ticketgen_processing.settings import ProcessingSettings

both = pytest.mark.parametrize("name", ["openai", "anthropic"])


@pytest.fixture
async def stub() -> AsyncIterator[ModelStub]:
    async with serving(ModelStub()) as started:
        yield started


async def health_of(name: str, given: Any) -> WriterHealth:
    check = writer(name).check
    assert check is not None
    return await check(given)


@both
async def test_a_model_that_the_server_knows_is_ready_and_costs_nothing_to_ask_about(
    stub: ModelStub, name: str
) -> None:
    health = await health_of(name, settings(stub))

    assert health.ready
    assert stub.url(name) in health.message
    assert stub.questions == []


@both
@pytest.mark.parametrize("about", [refusal(404, "no_route"), Reply(raw=b"<html>hi</html>")])
async def test_a_server_that_cannot_tell_is_asked_for_a_word(
    stub: ModelStub, name: str, about: Reply
) -> None:
    stub.about = about

    health = await health_of(name, settings(stub))

    assert health.ready
    [asked] = stub.questions
    assert 16 in asked.body.values()


UNREADY = {
    "key": (refusal(401, "invalid_api_key"), True, "does not accept the key"),
    "model": (refusal(404, "model_not_found"), True, "has no model"),
    "busy": (refusal(429, "rate_limit_exceeded"), False, "used up for now"),
    "broken": (refusal(500, "server_error"), False, "fails for the moment"),
    "dropped": (Reply(drops=True), False, "cannot be reached"),
}


@both
@pytest.mark.parametrize("what", UNREADY)
async def test_a_server_that_would_not_answer_is_not_ready_and_it_is_said_who_can_mend_it(
    stub: ModelStub, name: str, what: str
) -> None:
    reply, for_admin, message = UNREADY[what]
    stub.about = reply
    stub.script(reply)

    health = await health_of(name, settings(stub))

    assert not health.ready
    assert health.for_admin == for_admin
    assert message in health.message
    assert health.recovery_actions
    assert KEY not in repr(health)


@both
async def test_a_server_that_is_silent_is_not_waited_for(stub: ModelStub, name: str) -> None:
    stub.about = Reply(wait=60)

    health = await health_of(name, settings(stub, model_timeout=timedelta(seconds=0.2)))

    assert not health.ready
    assert not health.for_admin
    assert len(stub.seen) == 1


@both
@pytest.mark.parametrize("missing", ["package", "key", "odd key"])
async def test_without_package_or_key_it_is_said_what_to_add_and_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, stub: ModelStub, name: str, missing: str
) -> None:
    given = settings(stub)
    if missing == "package":
        monkeypatch.setattr(
            model_access, "find_spec", lambda module: None if module == name else find_spec(module)
        )
        wanted = f"pip install 'ticketgen-processing[{name}]'"
    else:
        key = None if missing == "key" else SecretStr("sk-one\nsk-two")
        given = ProcessingSettings.model_validate({f"{name}_api_key": key})
        wanted = f"TICKETGEN_PROCESSING_{name.upper()}_API_KEY"

    health = await health_of(name, given)
    with pytest.raises(WriterNotSetUpError) as caught:
        async with writer(name).open(given):
            pass

    assert not health.ready
    assert health.for_admin
    assert wanted in health.recovery_actions[0]
    assert wanted in caught.value.recovery_actions[0]
    assert stub.seen == []


@both
def test_an_estimate_goes_up_with_tickets_and_down_with_concurrency(name: str) -> None:
    estimate = writer(name).estimate
    assert estimate is not None
    prices: dict[str, Any] = {
        f"{name}_input_price": Decimal(1),
        f"{name}_output_price": Decimal(5),
    }
    given = settings(**prices, model_concurrency=10)

    nothing = estimate(given, [])
    some = estimate(given, [brief()] * 100)
    more = estimate(given, [brief()] * 200)
    slow = estimate(settings(**prices, model_requests_per_minute=10), [brief()] * 100)

    assert nothing.cost == 0
    assert more.cost is not None
    assert some.cost is not None
    assert 0 < some.cost < more.cost
    assert 50_000 < some.input_tokens < more.input_tokens < 1_000_000
    assert timedelta(0) < some.duration < more.duration < slow.duration


def test_a_price_that_nobody_knows_is_no_error() -> None:
    estimate = writer("openai").estimate
    assert estimate is not None
    known = ProcessingSettings(openai_model="gpt-5-mini")
    unknown = ProcessingSettings(openai_model="nobody-knows-this")
    own_server = settings(openai_model="gpt-5-mini")

    assert (estimate(known, [brief()]).cost or 0) > 0
    assert estimate(unknown, [brief()]).cost is None
    assert estimate(own_server, [brief()]).cost is None


@pytest.mark.parametrize(
    "address",
    [
        "api.example",
        "ftp://api.example",
        "https://",
        "https://me:word@api.example",
        "http://a/?k=1",
    ],
)
def test_an_address_that_is_none_or_holds_secrets_is_refused_without_repeating_it(
    address: str,
) -> None:
    with pytest.raises(ValidationError) as caught:
        ProcessingSettings(openai_base_url=address)

    assert "me:word" not in str(caught.value)


def test_settings_come_from_the_environment_and_hide_their_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TICKETGEN_PROCESSING_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TICKETGEN_PROCESSING_OPENAI_BASE_URL", "http://models.example/v1/")
    monkeypatch.setenv("TICKETGEN_PROCESSING_MODEL_TIMEOUT", "20")

    given = ProcessingSettings(_env_prefix="TICKETGEN_PROCESSING_")

    assert given.openai_api_key == SecretStr(KEY)
    assert given.openai_base_url == "http://models.example/v1"
    assert given.model_timeout == timedelta(seconds=20)
    assert KEY not in repr(given)
    assert KEY not in repr(model_access.access_of("openai", given))
    assert all(field.description for field in ProcessingSettings.model_fields.values())


def test_the_packages_of_models_are_imported_when_a_writer_is_opened_and_not_before() -> None:
    program = (
        "import sys, ticketgen_processing.plugin, ticketgen_processing.models.writers;"
        "print([one for one in ('pydantic_ai', 'openai', 'anthropic', 'genai_prices', 'stamina')"
        " if one in sys.modules])"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (ended.stdout.strip(), ended.stderr) == ("[]", "")
