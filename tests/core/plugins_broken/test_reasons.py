"""Who reads what of a broken plugin: exceptions' texts, which may hold passwords, reach few."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import MetaData
from uuid_utils.compat import uuid7

from tests.core.plugin_sources import plugin_source
from ticketgen.api.app import create_app
from ticketgen.api.routes.plugins import describe, trouble_in_workers
from ticketgen.conformance import Problem, raised
from ticketgen.domain.workers import WorkerProcess
from ticketgen.migrations.trees import SchemaError, plugin_tree, problem_of, read_line
from ticketgen.offering import offer_of
from ticketgen.plugin import Migrations
from ticketgen.registry import PluginUnavailableError
from ticketgen.runtime import Runtime, build_runtime
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin

Install = Callable[..., InstalledPlugin]

_SECRET = "tulip"

_SETTINGS = f"""
from pydantic import field_validator
from pydantic_settings import BaseSettings


class Own(BaseSettings):
    dsn: str = "x"

    @field_validator("dsn", mode="before")
    @classmethod
    def connect(cls, value):
        raise ConnectionError("postgresql://labels:{_SECRET}@db")

    model_config = {{"validate_default": True}}
"""


@pytest.fixture
async def unserved(
    clean_environment: pytest.MonkeyPatch, install_plugin: Install
) -> AsyncIterator[Runtime]:
    """A host whose servers are away, and two plugins that fail with a password in the text."""
    install_plugin("acme", f"raise ConnectionError('postgresql://labels:{_SECRET}@db\\0')")
    install_plugin("apex", plugin_source("apex", before=_SETTINGS, settings="Own"))
    settings = Settings(
        database_url="postgresql://nobody:none@127.0.0.1:1/none",
        redis_url="redis://127.0.0.1:1/0",
        allowed_plugins=("acme", "apex"),
    )
    runtime = build_runtime(settings)
    yield runtime
    await runtime.close()


def _client(runtime: Runtime) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=create_app(runtime))
    return httpx2.AsyncClient(transport=transport, base_url="http://host")


def test_of_an_exception_everybody_reads_its_type_and_of_our_words_all() -> None:
    theirs = raised("start", ConnectionError(f"redis://:{_SECRET}@cache: refused"), "Mend it.")
    ours = Problem(phase="start", message="it hung: 5 s", remedy="Mend it.")

    assert _SECRET in theirs.message
    assert (theirs.brief, theirs.reason) == ("ConnectionError", "start: ConnectionError")
    assert (ours.brief, ours.reason) == ("it hung: 5 s", "start: it hung: 5 s")


def test_what_a_revision_raises_is_not_for_everybody_either(tmp_path: Path) -> None:
    (tmp_path / "0001_first.py").write_text(f"raise ConnectionError('{_SECRET}')\n")
    tree = plugin_tree("acme", Migrations(versions=tmp_path, metadata=MetaData()))

    with pytest.raises(SchemaError) as unusable:
        read_line(tree)
    problem = problem_of(unusable.value, remedy="")

    assert _SECRET in problem.message
    assert problem.reason == "schema: The revisions of acme cannot be used"


def test_the_texts_of_a_problem_can_be_stored_whoever_wrote_them() -> None:
    problem = Problem(phase="settings", message="a\0b\ud800", remedy="Mend it.", traceback="\0")

    assert "\0" not in problem.reason
    assert problem.message.encode()
    assert "\0" not in str(problem.traceback)


async def test_a_worker_says_of_itself_what_everybody_may_read(unserved: Runtime) -> None:
    offer = offer_of(unserved.registry)

    assert offer.failed == {
        "acme": "import: ConnectionError",
        "apex": "settings: ConnectionError",
    }


async def test_members_read_less_of_a_problem_than_those_who_run_the_host(
    unserved: Runtime,
) -> None:
    broken = [found for found in unserved.registry.plugins if found.status.is_broken]

    shown = [describe(found, in_full=False).model_dump_json() for found in broken]
    in_full = [describe(found).model_dump_json() for found in broken]
    with pytest.raises(PluginUnavailableError) as refused:
        unserved.registry.require("acme")

    assert not any(_SECRET in view for view in shown)
    assert [_SECRET in view for view in in_full] == [True, True]
    assert refused.value.message == "The plugin 'acme' is out of use: import: ConnectionError"


async def test_while_the_database_is_away_readiness_tells_names_and_phases(
    unserved: Runtime,
) -> None:
    async with _client(unserved) as client:
        answer = await client.get("/health/ready", headers={"Authorization": "Bearer anybody"})

    [check] = [check for check in answer.json()["checks"] if check["name"] == "plugins"]
    assert answer.status_code == 503
    assert check["message"] == (
        "acme (import); apex (settings). See GET /api/plugins and `ticketgen plugins doctor`."
    )


async def test_a_caller_without_a_token_is_told_to_come_again_also_without_a_database(
    unserved: Runtime,
) -> None:
    async with _client(unserved) as client:
        answer = await client.post("/api/acme/hook", json={})

    assert answer.status_code == 503
    assert answer.json()["message"] == "The plugin 'acme' is out of use."


async def test_a_problem_of_workers_is_told_once_however_long_it_is(unserved: Runtime) -> None:
    long = Problem(phase="start", message="it waits for " + "paper, " * 200, remedy="Mend it.")
    known = [found.failed(long) for found in unserved.registry.plugins if found.name == "acme"]
    worker = WorkerProcess(
        id=uuid7(), host="worker-1", pid=17, failed={"acme": long.reason, "apex": "start: other"}
    )

    [trouble] = trouble_in_workers([worker], known)

    assert (trouble.plugin, trouble.reason) == ("apex", "start: other")
