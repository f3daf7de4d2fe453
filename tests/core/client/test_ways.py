from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from websockets.http11 import Request, Response

from tests.core.client.hostile import (
    HASTE,
    Answer,
    HostileApi,
    answering,
    hostile_api,
    positions,
    problem,
    watching,
)
from ticketgen.client import (
    ApiForbiddenError,
    ApiNotFoundError,
    ApiProblemError,
    ApiUnauthenticatedError,
    ApiUnreachableError,
    ForeignAnswerError,
    PluginOutOfUseError,
    ProgressMessage,
)


def _only(part: str, answer: Response) -> Answer:
    """The answer to every request whose path has this part."""
    return lambda request: answer if part in request.path else None


def _in_turn(part: str, *answers: Response | None) -> Answer:
    """Answers to such requests, each once."""
    left = [*answers]
    return lambda request: left.pop(0) if part in request.path and left else None


_NO_UPGRADE = _only("/progress", answering(426, b"Upgrade is not for you.", "text/plain"))


def _event(message: dict[str, Any], end: str = "\n") -> str:
    place = f"id: {message['epoch']}-{message['sequence']}{end}" if "epoch" in message else ""
    return f"event: {message['type']}{end}{place}data: {json.dumps(message)}{end}{end}"


def _events(api: HostileApi, *steps: Sequence[str], end: str = "\n") -> Answer:
    """Server-sent events by the protocol, as many connections as there are steps."""
    left = [*steps]

    def answer(request: Request) -> Response | None:
        if "/events" not in request.path:
            return None
        sent = api.attached(request.headers.get("Last-Event-ID"))
        for step in left.pop(0) if left else ["end"]:
            sent += [said for said in api.said(step) if isinstance(said, dict)]
        body = f": ping{end}{end}retry: 3000{end}{end}" + "".join(_event(one, end) for one in sent)
        return answering(200, body.encode(), "text/event-stream; charset=utf-8")

    return answer


def _shown(api: HostileApi) -> Answer:
    """The run as REST shows it, with its ETag; it ends at the fourth look."""
    looks: list[str] = []

    def answer(request: Request) -> Response | None:
        if not request.path.endswith((str(api.run_id), str(api.session_id))):
            return None
        looks.append(request.path)
        if len(looks) == 4:
            api.end()
        etag = f'"{len(api.published)}"'
        if request.headers.get("If-None-Match") == etag:
            return answering(304)
        run = api.run()
        of_task = {"session_id": run["session_id"], "task_type": "processing", "run": run}
        body = run if "/runs/" in request.path else {**of_task, "status": run["status"]}
        return answering(200, body, headers={"ETag": etag})

    return answer


async def _watched(api: HostileApi, **how: Any) -> list[ProgressMessage]:
    async with hostile_api(api), watching(api, **how) as client, asyncio.timeout(60):
        return [message async for message in client.watch(task_id=api.run_id)]


def _asked_for(api: HostileApi) -> list[str]:
    """The last words of the paths, without the same one twice in a row."""
    words = [path.partition("?")[0].rpartition("/")[2] for path in api.asked]
    words = ["run" if word == str(api.run_id) else word for word in words]
    return [word for at, word in enumerate(words) if words[at - 1 : at] != [word]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_where_no_websocket_is_let_through_events_are_sent(end: str) -> None:
    api = HostileApi()
    api.publish()
    events = _events(api, ["progress", "progress"], ["epoch", "progress"], ["progress"], end=end)
    api.answers = [_NO_UPGRADE, events]

    messages = await _watched(api)

    assert _asked_for(api) == ["progress", "events"]
    assert positions(messages) == {"e1": [2, 3], "e2": [1, 2, 3]}
    assert messages[-1].type == "completed"
    asked = [headers.get("Last-Event-ID") for headers in api.headers[1:]]
    assert asked == [None, "e1-3", "e2-1", "e2-2"]


async def test_an_event_that_was_cut_off_is_not_taken_and_comes_again() -> None:
    api = HostileApi()
    api.publish()
    whole = _events(api, ["progress"])

    def cut(request: Request) -> Response | None:
        answer = whole(request)
        if answer is None or api.has_ended:
            return answer
        return answering(200, answer.body[:-9], "text/event-stream")

    api.answers = [_NO_UPGRADE, cut]

    messages = await _watched(api)

    assert positions(messages) == {"e1": [2, 3]}


async def test_an_event_may_have_its_data_on_many_lines() -> None:
    api = HostileApi()

    def spread(request: Request) -> Response | None:
        if "/events" not in request.path:
            return None
        lines = json.dumps(api.end(), indent=1).splitlines()
        body = "\n".join(f"data:{line}" for line in lines) + "\n\n"
        return answering(200, body.encode(), "text/event-stream")

    api.answers = [_NO_UPGRADE, spread]

    assert [message.type for message in await _watched(api)] == ["completed"]


@pytest.mark.parametrize(
    "events",
    [
        answering(200, b"<p>Welcome</p>", "text/html"),
        answering(404, b"", "text/plain"),
        answering(204),
        answering(
            404,
            {"status": 404, "detail": "There is nothing at this address."},
            "application/problem+json",
        ),
    ],
    ids=["page", "nothing", "over", "older"],
)
async def test_where_neither_can_be_had_the_run_is_polled(events: Response) -> None:
    api = HostileApi()
    api.answers = [_NO_UPGRADE, _only("/events", events), _shown(api)]

    messages = await _watched(api)

    assert _asked_for(api) == ["progress", "events", "run"]
    assert [message.type for message in messages] == ["snapshot", "completed"]
    assert messages[-1].result_summary == {"tickets": 2}
    looked = [headers.get("If-None-Match") for headers in api.headers[2:]]
    assert looked == [None, '"0"', '"0"', '"0"']


async def test_a_session_that_is_polled_is_looked_at_by_its_status() -> None:
    api = HostileApi()
    api.answers = [_NO_UPGRADE, _only("/events", answering(404)), _shown(api)]

    async with hostile_api(api), watching(api) as client:
        stream = client.watch(session_id=api.session_id, task_type="processing")
        types = [message.type async for message in stream]

    assert types == ["snapshot", "completed"]
    assert f"/api/processing/status/{api.session_id}" in api.asked


async def test_a_poll_that_comes_too_often_waits_as_long_as_it_is_told() -> None:
    api = HostileApi()
    limited = _in_turn(str(api.run_id), None, None, problem(429, "limited", **{"Retry-After": "0"}))
    api.answers = [_NO_UPGRADE, _only("/events", answering(404)), limited, _shown(api)]

    messages = await _watched(api)

    assert [message.type for message in messages] == ["snapshot", "completed"]


async def test_a_proxy_without_the_api_behind_it_is_not_given_up_for_a_lesser_way() -> None:
    api = HostileApi()
    gone = answering(502, b"Bad gateway", "text/html")
    away = [gone] * 3
    api.answers = [
        _in_turn("/progress", *away),
        _in_turn("/events", *away),
        _in_turn(str(api.run_id), gone),
    ]

    messages = await _watched(api)

    assert _asked_for(api) == ["progress", "events", "run", "progress"]
    assert messages[-1].type == "completed"


async def test_a_proxy_that_swallows_upgrades_is_not_waited_for_for_ever() -> None:
    api = HostileApi()
    api.answers = [_events(api)]
    respond = api.respond

    async def swallow(connection: Any, request: Request) -> Response | None:
        if "/progress" in request.path:
            await asyncio.sleep(0.1)  # longer than the client waits
            return answering(426)
        return await respond(connection, request)

    api.respond = swallow  # type: ignore[method-assign]
    pace = type(HASTE)(
        first_delay=HASTE.first_delay,
        longest_delay=HASTE.longest_delay,
        silence=timedelta(milliseconds=20),
    )

    messages = await _watched(api, pace=pace)

    assert messages[-1].type == "completed"


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_what_may_pass_is_tried_again_in_the_same_way(status: int) -> None:
    api = HostileApi()
    api.answers = [_in_turn("/progress", *[problem(status, **{"Retry-After": "0"})] * 5)]

    messages = await _watched(api)

    assert _asked_for(api) == ["progress"]
    assert len(api.asked) == 6
    assert messages[-1].type == "completed"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (problem(401), ApiUnauthenticatedError),
        (problem(403), ApiForbiddenError),
        (problem(404), ApiNotFoundError),
        (problem(422), ApiProblemError),
        (problem(503, "plugin_unavailable"), PluginOutOfUseError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("way", ["websocket", "events", "polling"])
async def test_a_refusal_of_the_api_is_raised_at_once_by_every_way(
    answer: Response, expected: type[ApiProblemError], way: str
) -> None:
    api = HostileApi()
    lesser = {"websocket": [], "events": [_NO_UPGRADE]}
    refused = [_NO_UPGRADE, _only("/events", answering(404))]
    api.answers = [*lesser.get(way, refused), lambda request: answer]

    with pytest.raises(expected) as raised:
        await _watched(api)

    assert type(raised.value) is expected
    assert raised.value.problem["detail"] in str(raised.value)
    assert raised.value.recovery_actions == ("-",)


async def test_something_else_in_the_apis_place_is_said_when_the_patience_ends() -> None:
    api = HostileApi(answers=[lambda request: answering(200, b"<p>Sign in</p>", "text/html")])

    with pytest.raises(ForeignAnswerError, match="with 200 is not the API") as raised:
        await _watched(api, patience=timedelta(milliseconds=30))

    assert isinstance(raised.value, ApiUnreachableError)
