"""The test kit's pytest fixtures; nothing heavy is imported before a test asks for one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ticketgen.embedded import EmbeddedServers
    from ticketgen.plugin import Plugin
    from ticketgen.runtime import Runtime
    from ticketgen.settings import Settings
    from ticketgen.testing import Api, InstalledPlugin
    from ticketgen.testing.serving import LiveApi

_PLAIN_NAMES = ("DATABASE_URL", "REDIS_URL")
_TEMPLATE = "ticketgen_template"


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment without settings of a host; the monkeypatch that cleaned it."""
    for name in list(os.environ):  # noqa: TID251 - the environment is what is cleaned here
        ours = name.startswith(("TICKETGEN_", "ARQ_")) or name in _PLAIN_NAMES
        if ours and name != "TICKETGEN_SPEC_DIR":
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def install_plugin() -> Iterator[Callable[..., InstalledPlugin]]:
    """Installs a plugin until the test ends; called as `ticketgen.testing.installed_plugin`."""
    from ticketgen.testing.installed import installed_plugin

    with ExitStack() as stack:

        def install(name: str, source: str, **options: Any) -> InstalledPlugin:
            return stack.enter_context(installed_plugin(name, source, **options))

        yield install


@pytest.fixture
def conforms() -> Callable[[str | Plugin], None]:
    """Checks a distribution, or a plugin by its name or value; what must change fails the test.

    Advice alone becomes a `ConformanceWarning`.
    """
    from ticketgen.testing.conforming import require_conforming

    return require_conforming


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """Postgres and Valkey of this test session."""
    from ticketgen.testing.servers import session_servers

    with session_servers() as running:
        yield running


@pytest.fixture(scope="session")
def _template(servers: EmbeddedServers) -> str:
    """A database with the tables of the host and of the installed plugins, to copy from."""
    import asyncio

    from ticketgen.settings import Settings
    from ticketgen.testing.schemas import upgrade_plugins
    from ticketgen.testing.servers import create_template

    async def prepare(url: str) -> None:
        await upgrade_plugins(Settings(database_url=url))

    asyncio.run(create_template(servers.database_url, _TEMPLATE, prepare=prepare))
    return _TEMPLATE


@pytest.fixture
async def database_url(servers: EmbeddedServers, _template: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    from ticketgen.testing.servers import clone_database, drop_database

    url = await clone_database(servers.database_url, _template)
    yield url
    await drop_database(servers.database_url, url)


@pytest.fixture
async def redis_url(servers: EmbeddedServers) -> str:
    """An empty Redis."""
    from redis.asyncio import Redis

    async with Redis.from_url(servers.redis_url) as redis:
        await redis.flushall()
    return servers.redis_url


@pytest.fixture
def settings(
    database_url: str, redis_url: str, tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> Settings:
    """Settings of a host on a fresh database and an empty Redis, with a key of its own.

    Retries come at once.
    """
    from pydantic import SecretStr

    from ticketgen.sealing import new_key
    from ticketgen.settings import Settings

    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_dir=tmp_path,
        retry_delay=timedelta(milliseconds=1),
        secret_keys=(SecretStr(new_key()),),
    )


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """A runtime with the installed plugins."""
    from ticketgen.runtime import open_runtime

    async with open_runtime(settings) as opened:
        yield opened


@pytest.fixture
async def api(runtime: Runtime) -> AsyncIterator[Api]:
    """A client of the API; three users are there already."""
    import httpx2

    from ticketgen.api.app import create_app
    from ticketgen.domain import tokens, users
    from ticketgen.testing.driving import Api

    secrets: dict[str, str] = {}
    async with runtime.session_factory() as db:
        for name, role in (
            ("mia", users.Role.MEMBER),
            ("ada", users.Role.ADMIN),
            ("otto", users.Role.MEMBER),
        ):
            user = await users.create_user(db, name=name, role=role)
            _, secrets[name] = await tokens.create_token(
                db, user=user, name="test", lifetime=timedelta(hours=1)
            )
        await db.commit()
    app = create_app(runtime)
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=transport,
            base_url="http://testserver",
            headers=Api.bearing(secrets["mia"]),
        ) as client,
    ):
        yield Api(
            client=client,
            runtime=runtime,
            token=secrets["mia"],
            admin_token=secrets["ada"],
            other_token=secrets["otto"],
        )


@pytest.fixture
async def live_api(api: Api) -> AsyncIterator[LiveApi]:
    """The API on a loopback port, for WebSocket clients; `api` speaks to the same host."""
    from ticketgen.api.app import create_app
    from ticketgen.testing.serving import serve

    async with serve(api, create_app(api.runtime)) as live:
        yield live
