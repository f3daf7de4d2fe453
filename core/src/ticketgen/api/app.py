"""The application: core's routes, then everything of the plugins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ticketgen.api.deps import CurrentUser
from ticketgen.api.limits import FORM_OVERHEAD, BodyLimit
from ticketgen.api.mounting import describable, mount_plugins
from ticketgen.api.polling import PollLimit
from ticketgen.api.problems import (
    describe_problems,
    install_problem_handlers,
    problem_responses,
)
from ticketgen.api.routes import (
    health,
    history,
    identity,
    metrics,
    plugins,
    runs,
    schedules,
    session_ending,
    session_errors,
    session_readiness,
    session_recovery,
    session_rollback,
    sessions,
    stream_passes,
    ticket_assignment,
    ticket_dependencies,
    ticket_diff,
    ticket_edits,
    ticket_order,
    tickets,
    uploads,
    workers,
)
from ticketgen.api.streaming.dashboard import stream_dashboard
from ticketgen.api.streaming.stopping import on_stop_signals
from ticketgen.attached import attached_settings
from ticketgen.logs import configure_logs
from ticketgen.opening import open_plugins
from ticketgen.ports import Role
from ticketgen.runtime import Runtime, build_runtime
from ticketgen.streams.service import Streams

__all__ = ["app_factory", "create_app"]

_DESCRIPTION = """
Turns the specification sheets of a Drupal site into reviewed, validated Jira tickets.

Begin with `POST /api/sessions`, upload the sheets, start the tasks in the order of the journey
(`processing`, `adf_validation`, `export`), and follow each over
`WS /api/{task type}/progress/{session_id}`, or as server-sent events with
`GET /api/{task type}/events/{session_id}`; many at once over `WS /api/progress`. What is at work is
cancelled, tried again and looked into under `/api/runs`.
"""


class _Api(FastAPI):
    """FastAPI, whose description also has the schema of the problem documents."""

    def openapi(self) -> dict[str, Any]:
        try:
            return describe_problems(super().openapi())
        except Exception:  # a model of a plugin's that has no JSON schema
            self.openapi_schema = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=describable(self.routes),
            )
        return describe_problems(self.openapi_schema)


def create_app(runtime: Runtime, *, close_runtime: bool = False) -> FastAPI:
    """The API of one runtime, which its caller opens before and closes after the app."""
    streams = Streams(runtime.redis, runtime.session_factory)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with (
                streams.running(),
                open_plugins(runtime, Role.API),
                runtime.reconciling(),
            ):
                with on_stop_signals(streams.stop):
                    yield
        finally:
            if close_runtime:
                await runtime.close()

    app = _Api(
        title="ticketgen",
        description=_DESCRIPTION,
        version=version("ticketgen-core"),
        lifespan=lifespan,
        # The description is served behind authentication like everything else; the
        # interactive pages would fetch their scripts from another machine.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A redirect would send the caller, token and all, to whatever `Host` was sent.
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.state.streams = streams
    app.state.poll_limit = PollLimit()
    install_problem_handlers(app, runtime.session_factory)
    app.add_middleware(
        BodyLimit, form_bytes=runtime.settings.upload_max_session_bytes + FORM_OVERHEAD
    )
    _mount(app, runtime)
    return app


def app_factory() -> FastAPI:
    """The API of the environment's settings: `uvicorn --factory ticketgen.api.app:app_factory`.

    Raises:
        ConfigurationError: a setting is missing or wrong, or a required plugin is broken.
    """
    settings = attached_settings()
    # Here and not in `create_app`: uvicorn has set up its own logging just before, and its lines
    # about WebSockets quote the address with the stream pass in it.
    configure_logs(settings)
    return create_app(build_runtime(settings, application_name="ticketgen-api"), close_runtime=True)


def _mount(app: FastAPI, runtime: Runtime) -> None:
    app.include_router(health.public)
    for router in (
        health.router,
        identity.router,
        metrics.router,
        plugins.router,
        # Before the addresses with an id: `recoverable` is none.
        session_recovery.router,
        sessions.router,
        session_ending.router,
        session_errors.router,
        session_readiness.router,
        session_rollback.router,
        uploads.router,
        tickets.router,
        ticket_edits.router,
        ticket_diff.router,
        ticket_assignment.router,
        ticket_order.router,
        ticket_dependencies.router,
        history.router,
        runs.router,
        schedules.router,
        workers.router,
        stream_passes.router,
    ):
        app.include_router(router)

    async def openapi(user: CurrentUser) -> dict[str, Any]:
        """Describe every address of this host, plugins included."""
        return app.openapi()

    app.add_api_route(
        "/api/openapi.json",
        openapi,
        methods=["GET"],
        tags=["host"],
        summary="Describe this API",
        responses=problem_responses(),
    )
    app.add_api_websocket_route("/api/progress", stream_dashboard)
    mount_plugins(app, runtime.registry)
