"""A whole installation of its own: servers, schema, plugin, API, and settings for workers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import structlog

from benchmarks.chaos.counting import CLIENT_PATIENCE
from benchmarks.chaos.shape import Shape
from ticketgen.api.app import create_app
from ticketgen.database import create_engine
from ticketgen.domain import tokens, users
from ticketgen.embedded import EmbeddedServers
from ticketgen.migrations import installed_trees, upgrade_all
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings, load_settings
from ticketgen.testing import installed_plugin

__all__ = ["Installation", "forget_settings", "installation", "logging_to"]

_PLUGINS = "processing,adf_validation,export,chaos"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What a campaign works on."""

    servers: EmbeddedServers
    runtime: Runtime
    client: httpx2.AsyncClient
    """Of the API, as an administrator; the API lives in this process, reconciler included."""
    environment: Mapping[str, str]
    """Of worker processes."""
    logs: Path


def forget_settings() -> None:
    """Take every setting of a host out of the environment: none of it is meant for a campaign."""
    for name in list(os.environ):  # noqa: TID251 - the environment is what is cleaned here
        if name.startswith(("TICKETGEN_", "ARQ_")) or name in {"DATABASE_URL", "REDIS_URL"}:
            del os.environ[name]  # noqa: TID251 - as above


@asynccontextmanager
async def installation(
    shape: Shape, directory: Path, logs: Path, *, outside: str
) -> AsyncIterator[Installation]:
    """Set it all up in a directory; `outside` is the address of the outside system."""
    source = (files("benchmarks.chaos") / "plugin.py").read_text(encoding="utf-8")
    async with EmbeddedServers(directory / "data", durable=True) as servers:
        own = {
            "TICKETGEN_DATABASE_URL": servers.database_url,
            "TICKETGEN_REDIS_URL": servers.redis_url,
            "TICKETGEN_DATA_DIR": str(directory),
            "TICKETGEN_ALLOWED_PLUGINS": _PLUGINS,
            "TICKETGEN_LOG_FORMAT": "json",
            **shape.environment,
        }
        settings = _settings(own)
        await _migrate(settings)
        with installed_plugin("chaos", source) as plugin:
            async with (
                open_runtime(settings, application_name="chaos-api") as runtime,
                _api(runtime) as client,
            ):
                yield Installation(
                    servers=servers,
                    runtime=runtime,
                    client=client,
                    environment={
                        **os.environ,  # noqa: TID251 - a child needs PATH, HOME and the like
                        **own,
                        "PYTHONPATH": os.pathsep.join(_search_path(plugin.module)),
                        "TICKETGEN_CHAOS_URL": outside,
                        "TICKETGEN_CHAOS_PATIENCE": str(CLIENT_PATIENCE),
                    },
                    logs=logs,
                )


def _search_path(module: str) -> list[str]:
    """Where workers look for modules: what this process was told to, and the plugin's folder."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"the module {module} was installed and cannot be found")
    told = os.environ.get("PYTHONPATH")  # noqa: TID251 - handed on to a child
    return [str(Path(spec.origin).parent), *([told] if told else [])]


def _settings(environment: Mapping[str, str]) -> Settings:
    values: dict[str, Any] = {
        name.removeprefix("TICKETGEN_").lower(): value for name, value in environment.items()
    }
    return load_settings(**values)


async def _migrate(settings: Settings) -> None:
    engine = create_engine(settings, application_name="chaos-migration")
    try:
        await upgrade_all(engine, installed_trees(settings).trees)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _api(runtime: Runtime) -> AsyncIterator[httpx2.AsyncClient]:
    async with runtime.session_factory() as db:
        user = await users.create_user(db, name="ada", role=users.Role.ADMIN)
        _, token = await tokens.create_token(
            db, user=user, name="chaos", lifetime=timedelta(days=1)
        )
        await db.commit()
    app = create_app(runtime)
    # The error handlers of the app answer; what they let through is a 500 like any other.
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=transport,
            base_url="http://chaos",
            headers={"Authorization": f"Bearer {token}"},
        ) as client,
    ):
        yield client


@asynccontextmanager
async def logging_to(file: Path) -> AsyncIterator[None]:
    """Write the API's log lines to a file while the block runs; the table has the screen."""
    with file.open("a", encoding="utf-8") as stream:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
            logger_factory=structlog.WriteLoggerFactory(file=stream),
        )
        try:
            yield
        finally:
            structlog.reset_defaults()
