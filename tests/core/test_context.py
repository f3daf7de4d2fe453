"""What a handler may do with its context, as far as it needs no database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import pytest

from ticketgen import StartContext, TaskContext
from ticketgen.domain.sessions import WorkSession
from ticketgen.ports import RunIdentity, StartedRun

RUN = UUID("019ac0de-0000-7000-8000-000000000001")
SESSION = UUID("019ac0de-0000-7000-8000-000000000000")


class _Recorder:
    """Takes progress, and starts, and remembers them."""

    def __init__(self) -> None:
        self.published: list[tuple[float, str, dict[str, Any]]] = []
        self.started: list[tuple[str, dict[str, Any]]] = []

    async def publish(self, percentage: float, stage: str, details: Mapping[str, Any]) -> None:
        self.published.append((percentage, stage, dict(details)))

    async def start(self, task_type: str, **arguments: Any) -> StartedRun:
        self.started.append((task_type, arguments))
        return cast("StartedRun", "started")

    async def start_many(self, task_type: str, requests: Any, **arguments: Any) -> list[UUID]:
        raise NotImplementedError


def _context(recorder: _Recorder, *, session_id: UUID | None = SESSION) -> TaskContext:
    return TaskContext(
        run=RunIdentity(
            id=RUN,
            task_type="acme",
            session_id=session_id,
            lineage_id=RUN,
            requested_by=None,
            attempt=1,
            tries=1,
        ),
        settings=None,
        contributions=cast("Any", None),
        hooks=cast("Any", None),
        vault=cast("Any", None),
        session_factory=cast("Any", None),
        progress=recorder,
        start=recorder.start,
        start_many=recorder.start_many,
    )


@pytest.mark.parametrize(
    ("given", "published"),
    [(0, 0.0), (41.5, 41.5), (100, 100.0), (-3, 0.0), (250, 100.0), (float("nan"), 0.0)],
)
async def test_progress_stays_between_0_and_100(given: float, published: float) -> None:
    recorder = _Recorder()

    await _context(recorder).progress(given, "Counting", done=3)

    assert recorder.published == [(published, "Counting", {"done": 3})]


async def test_a_task_starts_another_by_its_name() -> None:
    recorder = _Recorder()

    answer: object = await _context(recorder).start("export", session_id=SESSION)

    ((task_type, arguments),) = recorder.started
    assert answer == "started"
    assert task_type == "export"
    assert arguments["session_id"] == SESSION


def test_another_machine_may_be_called_outside_a_transaction() -> None:
    context = _context(_Recorder())

    with context.remote():
        called = True

    assert called


def test_the_session_of_a_run_about_a_session_is_at_hand() -> None:
    assert _context(_Recorder()).session_id == SESSION


def test_a_run_about_no_session_has_none() -> None:
    context = _context(_Recorder(), session_id=None)

    with pytest.raises(AssertionError, match="this run has no session"):
        _ = context.session_id


def _start(session: WorkSession | None) -> StartContext:
    return StartContext(
        db=cast("Any", None),
        session=session,
        user=None,
        settings=None,
        contributions=cast("Any", None),
        hooks=cast("Any", None),
    )


def test_a_start_about_a_session_has_it() -> None:
    session = WorkSession(name="Harbour Museum")

    assert _start(session).require_session() is session


def test_a_start_about_no_session_says_so_when_it_is_asked_for_one() -> None:
    with pytest.raises(AssertionError, match="with a session only"):
        _start(None).require_session()
