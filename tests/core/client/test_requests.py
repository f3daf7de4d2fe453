from __future__ import annotations

import subprocess
import sys
from secrets import token_urlsafe

import pytest

from tests.core.client.hostile import HostileApi, answering, hostile_api, problem, watching
from ticketgen.client import (
    ApiConflictError,
    ApiProblemError,
    ApiUnreachableError,
    Client,
    ForeignAnswerError,
)
from ticketgen.client.rest import retry_after_of
from ticketgen.errors import InvalidInputError

_HEAVY = ("alembic", "arq", "fastapi", "redis", "rich", "sqlalchemy", "starlette", "typer")


def test_a_program_that_watches_runs_pays_for_no_server() -> None:
    source = (
        "import sys, ticketgen.client\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_token_is_in_no_representation() -> None:
    token = token_urlsafe()

    client = Client(f"http://someone:{token}@127.0.0.1:8000", token=token)

    assert repr(client) == "Client('http://127.0.0.1:8000')"
    assert token not in repr(vars(client)["_address"])


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://["])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidInputError, match="no address"):
        Client(url, token="made up")


async def test_a_refusal_has_all_that_the_api_says() -> None:
    document = {
        "status": 409,
        "code": "superseded",
        "detail": "It was changed.",
        "recovery_actions": ["Look again."],
        "error_id": "e-1",
        "findings": [{"message": "One."}],
        "current": {"title": "Newer"},
    }
    api = HostileApi(answers=[lambda _: answering(409, document, "application/problem+json")])

    async with hostile_api(api), watching(api) as client:
        with pytest.raises(ApiConflictError, match="It was changed") as raised:
            await client.call("GET", "/api/anything")

    error = raised.value
    assert error.recovery_actions == ("Look again.",)
    assert (error.problem_code, error.error_id) == ("superseded", "e-1")
    assert error.findings == [{"message": "One."}]
    assert error.current == {"title": "Newer"}


async def test_an_empty_answer_is_none_and_a_page_is_not_the_api() -> None:
    answers = [answering(204), answering(200, b"<p>Welcome</p>"), answering(502, b"<p>Bad</p>")]
    api = HostileApi(answers=[lambda _: answers.pop(0)])

    async with hostile_api(api), watching(api) as client:
        assert await client.call("GET", "/api/anything") is None
        for status in (200, 502):
            with pytest.raises(ForeignAnswerError, match=f"with {status} is not the API"):
                await client.call("GET", "/api/anything")


async def test_where_nothing_answers_it_is_said() -> None:
    async with Client("http://127.0.0.1:1", token="made up", trust_env=False) as client:
        with pytest.raises(ApiUnreachableError, match=r"http://127.0.0.1:1 cannot be reached"):
            await client.run("anything")
        with pytest.raises(InvalidInputError, match="characters that are no text"):
            await client.call("GET", "/api/anything", headers={"X": "\ud800"})


async def test_a_look_that_is_limited_without_a_time_is_an_error() -> None:
    api = HostileApi(answers=[lambda _: problem(429, "rate_limited")])

    async with hostile_api(api), watching(api) as client:
        with pytest.raises(ApiProblemError) as raised:
            await client.run(api.run_id)

    assert raised.value.problem_code == "rate_limited"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("-7", 0.0),
        ("100000", 60.0),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00", None),
    ],
)
def test_a_time_to_come_back_is_read_in_both_forms(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_of(header) == seconds
