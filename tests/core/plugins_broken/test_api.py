"""What the API answers where plugins are broken: 503 with the reason; all else is as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.core.plugin_sources import plugin_source
from ticketgen.api.app import create_app
from ticketgen.api.deps import current_user
from ticketgen.conformance import Problem
from ticketgen.database import new_id
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, LiveApi, start_session

pytestmark = pytest.mark.services

Install = Callable[..., InstalledPlugin]

_WELL = """
from typing import Annotated, Any

from fastapi import APIRouter
from ticketgen.api.deps import state

inner = APIRouter()
router = APIRouter()
public_router = APIRouter()

@inner.get("/deep")
async def deep() -> dict[str, str]:
    return {"deep": "yes"}

@router.get("/kept")
async def kept(kept: Annotated[Any, state]) -> dict[str, str]:
    return {"kept": kept}

@public_router.post("/hook")
async def hook() -> dict[str, str]:
    return {"hook": "yes"}

router.include_router(inner, prefix="/further/in")
"""

_UNDESCRIBED = """
from fastapi import APIRouter

class Odd:
    pass

class Bad(BaseModel, arbitrary_types_allowed=True):
    odd: Odd | None = None

router = APIRouter()
router.add_api_route("/odd", handle, response_model=Bad, methods=["GET"])
"""

_UNMOUNTABLE = """
from fastapi import APIRouter

router = APIRouter()
router.add_api_route("/x", prepare, methods=["POST"], operation_id="start_labels")
"""


@pytest.fixture
async def runtime(settings: Settings, install_plugin: Install) -> AsyncIterator[Runtime]:
    """A host with two good strangers, and one of each way to be broken."""
    routers = {"router": "router", "public_router": "public_router"}
    install_plugin("well", plugin_source("well", before=_WELL, tasks="(task('well'),)", **routers))
    install_plugin("odd", plugin_source("odd", before=_UNDESCRIBED, router="router"))
    install_plugin("acme", "raise RuntimeError('no ink')", version="3.1")
    install_plugin("apex", plugin_source("apex"), distribution="apex-one")
    install_plugin("apex", plugin_source("apex"), distribution="apex-two")
    install_plugin("atlas", plugin_source("atlas", requires="'>=2'"))
    install_plugin("sessions", plugin_source("sessions"))
    install_plugin("labels", plugin_source("labels", tasks="(task('labels'),)"))
    install_plugin("start", plugin_source("start", before=_UNMOUNTABLE, router="router"))
    async with open_runtime(settings) as opened:
        yield opened


def _refusal(answer: Any) -> str:
    """The message of a 503 that says who has to act, and what to do."""
    problem = answer.json()
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["category"]) == ("plugin_unavailable", "admin_required")
    assert problem["recovery_actions"]
    return str(problem["message"])


async def test_everything_of_a_broken_plugin_answers_with_why_and_all_else_works(api: Api) -> None:
    client, session = api.client, new_id()

    for method, path in (
        ("GET", "/api/acme"),
        ("POST", f"/api/acme/start/{session}"),
        ("DELETE", "/api/acme/whatever/there/is"),
        ("POST", "/api/acme.night/start"),
    ):
        said = _refusal(await client.request(method, path))
        assert said == "The plugin 'acme' is out of use: import: RuntimeError"
    assert "apex-one and apex-two" in _refusal(await client.get("/api/apex/x"))
    assert "this host has" in _refusal(await client.get("/api/atlas/x"))
    assert "operation id 'start_labels'" in _refusal(await client.post("/api/start/x"))
    strangers = [
        await client.get(path, headers={"Authorization": ""})
        for path in ("/api/well/kept", "/api/well/further/in/deep")
    ]

    assert [answer.status_code for answer in strangers] == [401, 401]
    assert (await client.get("/api/sessions")).status_code == 200
    assert (await client.get("/api/sessions/x/y/z")).status_code == 404
    assert (await client.get("/api/acme_other")).status_code == 404
    assert (await client.get("/api/export/targets")).status_code == 200
    assert (await client.get("/api/well/further/in/deep")).json() == {"deep": "yes"}
    assert (await client.post("/api/well/hook", headers={"Authorization": ""})).status_code == 200
    started = await client.post("/api/well/start", headers=api.as_admin)
    assert started.status_code == 202


async def test_readiness_the_listing_and_the_description_say_what_is_broken(api: Api) -> None:
    ready = (await api.client.get("/health/ready")).json()
    listed = (await api.client.get("/api/plugins")).json()
    in_full = (await api.client.get("/api/plugins", headers=api.as_admin)).json()
    described = (await api.client.get("/api/openapi.json")).json()

    check = next(check for check in ready["checks"] if check["name"] == "plugins")
    assert (ready["ready"], ready["degraded"], check["ok"]) == (True, True, False)
    assert check["message"] == (
        "acme (import); apex (find); atlas (contract); sessions (find); start (mount). "
        "See GET /api/plugins and `ticketgen plugins doctor`."
    )
    for views, message in ((listed, "RuntimeError"), (in_full, "RuntimeError: no ink")):
        acme = next(plugin for plugin in views if plugin["name"] == "acme")
        assert (acme["status"], acme["version"]) == ("failed", "3.1")
        assert [(item["phase"], item["message"]) for item in acme["problems"]] == [
            ("import", message)
        ]
    well = next(plugin for plugin in listed if plugin["name"] == "well")
    assert "public: POST /api/well/hook" in well["routes"]
    assert "GET /api/well/further/in/deep" in well["routes"]
    assert {"/api/well/kept", "/api/export/targets"} <= described["paths"].keys()
    assert "/api/odd/odd" not in described["paths"]
    assert not any(path.startswith("/api/acme") for path in described["paths"])


async def test_a_plugin_that_is_put_out_of_use_answers_503_until_it_is_back(api: Api) -> None:
    registry = api.runtime.registry
    before = _refusal(await api.client.get("/api/well/kept"))
    api.runtime.states["well"] = "ink"
    kept = await api.client.get("/api/well/kept")

    registry.standing.put_out(
        "well", Problem(phase="start", message="no paper", remedy="Buy some.")
    )
    routes = [
        await api.client.get("/api/well/kept"),
        await api.client.post("/api/well/start", headers=api.as_admin),
    ]
    public = await api.client.post("/api/well/hook", headers={"Authorization": ""})
    unknown = await api.client.get("/api/well/kept", headers={"Authorization": ""})
    other = await api.client.get("/api/export/targets")

    assert "has not been started in this process" in before
    assert kept.json() == {"kept": "ink"}
    for answer in routes:
        assert "no paper" in _refusal(answer)
        assert "Buy some." in answer.json()["recovery_actions"]
    assert "no paper" not in _refusal(public)
    assert (unknown.status_code, other.status_code) == (401, 200)


async def test_a_broken_plugin_tells_callers_without_a_token_to_come_again(api: Api) -> None:
    strangers = {"no header": "", "a signature": "HMAC 1234"}

    refused = {
        who: await api.client.post("/api/acme/hook", headers={"Authorization": authorization})
        for who, authorization in strangers.items()
    }
    bad = await api.client.post("/api/acme/hook", headers={"Authorization": "Bearer tg_wrong"})

    for answer in refused.values():
        assert _refusal(answer) == "The plugin 'acme' is out of use."
    assert bad.status_code == 401


async def test_the_streams_of_a_plugin_that_pauses_stay_open_to_passes(api: Api) -> None:
    session_id = await start_session(api)
    problem = Problem(phase="hook", message="no paper", remedy="Buy some.")
    api.runtime.registry.standing.put_out("processing", problem)

    passes = {
        task_type: await api.client.post(
            "/api/stream-passes", json={"session_id": str(session_id), "task_type": task_type}
        )
        for task_type in ("processing", "acme")
    }

    assert passes["processing"].status_code == 201
    assert "import: RuntimeError" in _refusal(passes["acme"])


async def test_the_stream_of_a_broken_plugin_closes_with_why(live_api: LiveApi) -> None:
    session = str(new_id())
    token = Api.bearing(live_api.api.token)

    closed = {}
    for task_type in ("acme", "acme.night"):
        stream = connect(live_api.stream_url(session, task_type), additional_headers=token)
        async with stream as socket:
            with pytest.raises(ConnectionClosed) as ending:
                await socket.recv()
        assert ending.value.rcvd is not None
        closed[task_type] = ending.value.rcvd
    with pytest.raises(InvalidStatus) as refused:
        await connect(live_api.stream_url(session, "acme"))

    assert {close.code for close in closed.values()} == {4503}
    assert closed["acme"].reason == "The plugin 'acme' is out of use: import: RuntimeError"
    assert refused.value.response.status_code == 401


def _lookups(dependant: Any) -> int:
    """How often the caller is looked up before a route is entered."""
    return sum((inner.call is current_user) + _lookups(inner) for inner in dependant.dependencies)


async def test_every_route_of_a_plugin_that_is_not_public_has_a_known_caller(
    runtime: Runtime,
) -> None:
    app = create_app(runtime)

    contexts = [
        context
        for context in iter_route_contexts(app.routes)
        if (context.path or "").startswith("/api/") and hasattr(context, "dependant")
    ]
    open_to_all = {
        str(context.path)
        for context in contexts
        if context.methods and not _lookups(context.dependant)
    }

    assert {"/api/well/kept", "/api/acme", "/api/odd/odd"} <= {item.path for item in contexts}
    refused = {
        f"/api/{name}{more}"
        for name in ("acme", "apex", "atlas", "start")
        for more in ("", "/{rest:path}", ".{rest:path}")
    }
    public = {"/api/well/hook", "/api/export/connections/oauth/callback"}
    # They admit their clients themselves, as the sockets do: a stream pass is in no header.
    streams = {path for path in open_to_all if "/events" in path}
    assert streams >= {"/api/runs/{task_id}/events", "/api/processing/events/{session_id}"}
    assert open_to_all - streams == public | refused
