from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner, Result

from tests.plugins.export.connections.place import (
    EMAIL,
    Place,
    back,
    by_oauth,
    by_token,
    expire,
)
from ticketgen.cli.main import app
from ticketgen.runtime import Runtime
from ticketgen.testing import Api

pytestmark = pytest.mark.services


@pytest.fixture
def prompt(runtime: Runtime, clean_environment: pytest.MonkeyPatch) -> Runtime:
    """The commands work on the servers of the runtime."""
    for name, value in {
        "TICKETGEN_DATABASE_URL": str(runtime.settings.database_url),
        "TICKETGEN_REDIS_URL": str(runtime.settings.redis_url),
        "TICKETGEN_SECRET_KEYS": runtime.keys.keys[0],
        "COLUMNS": "200",
    }.items():
        clean_environment.setenv(name, value)
    return runtime


async def _done(*arguments: str, typed: str | None = None) -> Result:
    command = ["export", *arguments, "--user", "mia"]
    return await asyncio.to_thread(CliRunner().invoke, app, command, input=typed)


async def _process(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ticketgen", "export", *arguments, "--user", "mia"),
        env={**os.environ},  # noqa: TID251 - handed on to a process of the test
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    out, err = await process.communicate()
    return process.returncode, out.decode() + err.decode()


async def test_a_token_on_standard_input_makes_a_connection(
    api: Api, place: Place, prompt: Runtime
) -> None:
    arguments = ("connect", "--site", place.url, "--email", EMAIL, "--token-stdin")

    made = await _done(*arguments, typed=f"{place.token}\n")
    listed = await _done("connections", "--json")

    [connection] = json.loads(listed.stdout)
    assert made.exit_code == 0, made.output
    assert "Mia Moor" in made.stdout
    assert connection["site_url"] == place.url
    assert place.token not in made.output + listed.output


@pytest.mark.parametrize(
    "typed", ["\n", f"{secrets.token_urlsafe(9)}\n"], ids=["nothing", "another token"]
)
async def test_a_token_that_is_not_taken_ends_the_command_with_what_to_do(
    api: Api, place: Place, prompt: Runtime, typed: str
) -> None:
    arguments = ("connect", "--site", place.url, "--email", EMAIL, "--token-stdin")

    done = await _done(*arguments, typed=typed)

    assert done.exit_code == 1
    assert "→" in done.output


async def test_a_check_ends_with_1_if_something_is_missing(
    api: Api, place: Place, prompt: Runtime
) -> None:
    made = await by_token(api, place)
    place.stub.add_account(
        EMAIL, place.token, "Mia Moor", permissions=frozenset({"BROWSE_PROJECTS"})
    )

    plain = await _done("check", made["id"])
    missing = await _done("check", made["id"], "--project", "HM")
    nowhere = await _done("check", made["id"], "--project", "NO")

    assert plain.exit_code == 0, plain.output
    assert (missing.exit_code, nowhere.exit_code) == (1, 1)
    assert "NO   CREATE_ISSUES" in missing.stdout
    assert "no project NO" in nowhere.stdout


async def test_a_logout_tells_whether_atlassian_was_told(
    api: Api, place: Place, prompt: Runtime
) -> None:
    tokened, granted = await by_token(api, place), await by_oauth(api)

    first = await _done("disconnect", tokened["id"])
    second = await _done("disconnect", granted["id"])
    again = await _done("disconnect", granted["id"])

    assert "Atlassian was not told" in first.stdout
    assert "Atlassian was not told" not in second.stdout
    assert (first.exit_code, second.exit_code, again.exit_code) == (0, 0, 1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port


async def _asked_to_open(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def _use_callback(place: Place, environment: pytest.MonkeyPatch, callback: str) -> None:
    client = place.stub.register_client(callback)
    environment.setenv("TICKETGEN_EXPORT_OAUTH_CLIENT_ID", client.id)
    environment.setenv("TICKETGEN_EXPORT_OAUTH_CLIENT_SECRET", client.secret)
    environment.setenv("TICKETGEN_EXPORT_OAUTH_REDIRECT_URI", callback)


async def test_without_an_api_the_command_takes_the_browser_in_itself(
    api: Api, place: Place, prompt: Runtime, clean_environment: pytest.MonkeyPatch
) -> None:
    callback = f"http://127.0.0.1:{_free_port()}/api/export/connections/oauth/callback"
    _use_callback(place, clean_environment, callback)
    process = await _process("connect", "--oauth")
    url = await _asked_to_open(process)

    async with httpx2.AsyncClient(follow_redirects=True) as browser:
        foreign = await browser.get(callback, params={"state": "x", "code": "y"})
        elsewhere = await browser.get(f"{callback}/else")
        page = await browser.get(url)

    code, said = await _ended(process)
    assert (foreign.status_code, elsewhere.status_code, page.status_code) == (400, 404, 200)
    assert "mia can now" in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert code == 0, said
    assert place.url in said


async def test_who_does_not_consent_ends_the_command(
    api: Api, place: Place, prompt: Runtime, clean_environment: pytest.MonkeyPatch
) -> None:
    _use_callback(place, clean_environment, f"http://127.0.0.1:{_free_port()}/back")
    place.behave(consent="deny")
    process = await _process("connect", "--oauth")

    async with httpx2.AsyncClient(follow_redirects=True) as browser:
        page = await browser.get(await _asked_to_open(process))

    code, said = await _ended(process)
    assert page.status_code == 400
    assert code == 1
    assert "did not consent" in said


@pytest.mark.parametrize("again", [False, True], ids=["first time", "again"])
async def test_where_the_api_takes_the_browser_in_the_command_waits_for_what_comes_of_it(
    api: Api,
    place: Place,
    prompt: Runtime,
    clean_environment: pytest.MonkeyPatch,
    *,
    again: bool,
) -> None:
    if again:
        await by_oauth(api)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        callback = f"http://127.0.0.1:{taken.getsockname()[1]}/callback"
        _use_callback(place, clean_environment, callback)
        process = await _process("connect", "--oauth")
        url = await _asked_to_open(process)
        async with httpx2.AsyncClient() as browser:
            location = (await browser.get(url)).headers["location"]
        settings = api.runtime.registry.settings["export"]
        clean_environment.setattr(
            api.runtime.states["export"].connections._oauth,
            "_settings",
            settings.model_copy(update=_application(place)),
        )

        page = await back(api, **dict(httpx2.URL(location).params))
        code, said = await _ended(process)

    assert page.status_code == 200, page.text
    assert code == 0, said
    assert place.url in said


def _application(place: Place) -> dict[str, Any]:
    from pydantic import SecretStr

    client = list(place.stub.oauth.clients.values())[-1]
    return {"oauth_client_id": client.id, "oauth_client_secret": SecretStr(client.secret)}


async def test_two_processes_at_once_make_one_renewal(
    api: Api, place: Place, prompt: Runtime
) -> None:
    made = await by_oauth(api)
    await expire(api.runtime, made)
    asked = place.refreshes

    processes = [await _process("check", made["id"]) for _ in range(2)]
    ended = [await _ended(process) for process in processes]

    assert [code for code, _ in ended] == [0, 0], ended
    assert place.refreshes == asked + 1
