from __future__ import annotations

import sys
from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.core.api.expecting import count_rows, refused
from ticketgen.testing import Api, InstalledPlugin, start_session

pytestmark = pytest.mark.services

CAREFUL = """
from pydantic import BaseModel
from ticketgen import Plugin, Task, hookimpl
from ticketgen.errors import TemporaryError

ASKED = []
REFUSES = []


class Request(BaseModel):
    size: int = 1


class Payload(BaseModel):
    size: int


async def consult(context, request):
    ASKED.append((context.require_session().name, context.user.name, request.size))
    if REFUSES:
        raise TemporaryError("The oracle sleeps.", recovery_actions=["Wake it."])


async def prepare(start, request):
    return Payload(size=request.size)


async def handle(ctx, payload):
    return {}


@hookimpl
def ticketgen_plugin():
    task = Task(
        name="careful", summary="Asks first.", request=Request, payload=Payload,
        prepare=prepare, handler=handle, job_name="careful_job", consult=consult,
    )
    return Plugin(name="careful", summary="Asks first.", tasks=(task,))
"""


@pytest.fixture
def careful(install_plugin: Callable[..., InstalledPlugin]) -> InstalledPlugin:
    """A plugin that asks elsewhere before it starts, installed before the host of the test."""
    return install_plugin("careful", CAREFUL)


async def test_a_start_is_preceded_by_what_the_task_asks_elsewhere(
    careful: InstalledPlugin, api: Api
) -> None:
    session_id = await start_session(api)
    module = sys.modules[careful.module]

    answer = await api.client.post(f"/api/careful/start/{session_id}", json={"size": 3})

    assert answer.status_code == 202
    assert [size for _, _, size in module.ASKED] == [3]


async def test_what_is_asked_elsewhere_may_refuse_the_start_and_nothing_is_stored(
    careful: InstalledPlugin, api: Api
) -> None:
    session_id = await start_session(api)
    sys.modules[careful.module].REFUSES.append(True)

    answer = await api.client.post(f"/api/careful/start/{session_id}")

    problem = refused(answer, 503)
    assert problem["detail"] == "The oracle sleeps."
    assert problem["recovery_actions"] == ["Wake it."]
    assert await count_rows(api, "session_tasks") == 0


async def test_nothing_is_asked_for_somebody_who_may_not_start(
    careful: InstalledPlugin, api: Api
) -> None:
    answer = await api.client.post(f"/api/careful/start/{uuid4()}")

    refused(answer, 404)
    assert sys.modules[careful.module].ASKED == []
