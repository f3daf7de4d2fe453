"""However long a list is: what the database is asked for it stays the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from http import HTTPStatus
from inspect import isasyncgenfunction, iscoroutinefunction, isroutine
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import event

from benchmarks.growth.filling import Shape, fill, id_of
from benchmarks.growth.sample import Sample
from ticketgen.api.app import create_app
from ticketgen.domain import tokens
from ticketgen.domain.users import User
from ticketgen.embedded import EmbeddedServers
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api
from ticketgen.testing.pytest_plugin import _TEMPLATE
from ticketgen.testing.servers import clone_database, drop_database

_ONE = Shape(rows=60, per_session=1, per_user=1, active=6)
"""Every list has one thing in it."""

_MANY = Shape(rows=1_800, per_session=30, per_user=30, active=60)
"""Every list has thirty."""

_ADMIN = id_of("user", 1)
"""Asks where the owner may not."""

_QUERIES = {"/api/sessions/{session_id}/rollback": "?to=upload"}
"""What an address does not do without."""

_ELSEWHERE = {
    "/api/export/connections/oauth/callback": "what comes back from another system is no list",
    "/api/export/jira/{session_id}": "asks Jira",
    "/api/openapi.json": "the description of the addresses",
    "/api/processing/estimate/{session_id}": "reads the sheets, which are none here",
    "/api/processing/writers/{name}/health": "asks a model",
}
"""What is no list of ours, and why."""

_statements: ContextVar[list[str] | None] = ContextVar("_statements", default=None)
"""Of the request at hand; the loops beside the requests are in contexts of their own."""


def _lists(app: FastAPI) -> list[str]:
    """Every GET route, those of plugins too, but for streams, which do not end."""
    paths = {
        context.path
        for context in iter_route_contexts(list(app.routes))
        if "GET" in (context.methods or ()) and context.path is not None
    }
    return sorted(path for path in paths - _ELSEWHERE.keys() if "/events" not in path)


def _address(path: str, at: Sample) -> str:
    """The path with what stands for its parameters; a new parameter belongs in here."""
    filled = path.format(
        session_id=at.session,
        ticket_id=at.ticket,
        upload_id=at.upload,
        task_id=at.lineage,
        connection_id=id_of("other", int(at.session) % (1 << 48)),
    )
    return filled + _QUERIES.get(path, "")


@contextmanager
def _watched(runtime: Runtime) -> Iterator[None]:
    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen = _statements.get()
        if seen is not None:
            seen.append(statement)

    engine = runtime.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)


@asynccontextmanager
async def _host(settings: Settings, servers: EmbeddedServers) -> AsyncIterator[Runtime]:
    url = await clone_database(servers.database_url, _TEMPLATE)
    try:
        async with open_runtime(settings.model_copy(update={"database_url": url})) as runtime:
            yield runtime
    finally:
        await drop_database(servers.database_url, url)


async def _counted(runtime: Runtime, shape: Shape) -> dict[str, tuple[int, list[str]]]:
    """Path → status of the answer, and the statements it took, for the owner of everything."""
    await fill(runtime.engine, shape)
    at, found = Sample(shape=shape), dict[str, tuple[int, list[str]]]()
    async with runtime.session_factory() as db:
        callers = [
            (await tokens.create_token(db, user=user, name="test", lifetime=timedelta(hours=1)))[1]
            for user in (await db.get_one(User, at.owner), await db.get_one(User, _ADMIN))
        ]
        await db.commit()
    app = create_app(runtime)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        for path in _lists(app):
            for secret in callers:
                client.headers = Api.bearing(secret)
                await client.get(_address(path, at))  # what is asked for once is not counted
                with _asking() as seen:
                    answer = await client.get(_address(path, at))
                found[path] = (answer.status_code, seen)
                if answer.status_code != HTTPStatus.FORBIDDEN:
                    break
    return found


@contextmanager
def _asking() -> Iterator[list[str]]:
    seen: list[str] = []
    token = _statements.set(seen)
    try:
        yield seen
    finally:
        _statements.reset(token)


@pytest.mark.services
@pytest.mark.timeout(120)
async def test_a_list_of_thirty_takes_as_many_statements_as_a_list_of_one(
    settings: Settings, servers: EmbeddedServers, subtests: pytest.Subtests
) -> None:
    found = []
    for shape in (_ONE, _MANY):
        async with _host(settings, servers) as runtime:
            with _watched(runtime):
                found.append(await _counted(runtime, shape))

    one, many = found
    assert sum(len(statements) for _, statements in one.values()) > len(one), "none was seen"
    for path in one:
        with subtests.test(path):
            (status_of_one, for_one), (status_of_many, for_many) = one[path], many[path]

            assert (status_of_one, status_of_many) == (200, 200)
            assert len(for_many) == len(for_one), "\n\n".join(for_many)


@pytest.mark.services
async def test_no_route_waits_for_a_thread(api: Api, subtests: pytest.Subtests) -> None:
    """FastAPI runs plain functions in threads, which under load takes longer than the answer."""
    app = create_app(api.runtime)

    for context in iter_route_contexts(list(app.routes)):
        route = context.route
        if isinstance(route, APIRoute):
            with subtests.test(route.path):
                assert [name for name, waits in _calls(route.dependant) if waits] == []


def _calls(dependant: Any) -> Iterator[tuple[str, bool]]:
    """What is called for a route, and whether in a thread."""
    if dependant.call is not None:
        called = dependant.call if isroutine(dependant.call) else type(dependant.call).__call__
        in_thread = not (iscoroutinefunction(called) or isasyncgenfunction(called))
        yield getattr(dependant.call, "__qualname__", str(dependant.call)), in_thread
    for needed in dependant.dependencies:
        yield from _calls(needed)
