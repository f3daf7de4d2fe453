from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from tests.core.api.by_hand import execute, fail, put_stage, queued_run
from tests.core.api.expecting import BUNDLES, count_rows, generated_session, tickets_of, validated
from ticketgen.api.routes.session_recovery import shortest_retention
from ticketgen.registry import load_registry
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, drain, start_session

pytestmark = pytest.mark.services

_LONG_AGO = "now() - interval '6 days 23 hours'"


async def _recoverable(api: Api) -> list[dict[str, Any]]:
    answer = await api.client.get("/api/sessions/recoverable")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def _steps(session: dict[str, Any]) -> list[str]:
    place = session["id"]
    return [
        f"{step['method']} {step['path']}".replace(place, "…") for step in session["next_steps"]
    ]


async def test_what_is_completed_expired_or_another_s_is_not_listed(api: Api) -> None:
    mine, done, expired = [await start_session(api) for _ in range(3)]
    await put_stage(api, done, "completed")
    await execute(
        api, "UPDATE sessions SET updated_at = now() - interval '8 days' WHERE id = :id", id=expired
    )
    await api.client.post("/api/sessions", json={"name": "Pier"}, headers=api.as_other)

    found = await _recoverable(api)

    assert [session["id"] for session in found] == [mine]
    kept = datetime.fromisoformat(found[0]["expires_at"]) - datetime.fromisoformat(
        found[0]["last_activity"]
    )
    assert kept == timedelta(days=7)


async def test_a_session_tells_what_is_in_it_and_what_to_do_next(api: Api) -> None:
    session_id = await start_session(api)

    empty = (await _recoverable(api))[0]
    await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        files=[("files", ("Bundles.csv", BUNDLES, "text/csv"))],
    )
    filled = (await _recoverable(api))[0]
    await api.client.post(f"/api/processing/start/{session_id}")
    at_work = (await _recoverable(api))[0]
    await drain(api.runtime)
    generated = (await _recoverable(api))[0]
    await validated(api, session_id)
    valid = (await _recoverable(api))[0]

    assert _steps(empty)[0] == "POST /api/sessions/…/uploads"
    assert "POST /api/processing/start/…" not in _steps(empty)
    assert filled["counts"]["files"] == 1
    assert "POST /api/processing/start/…" in _steps(filled)
    assert [run["task_type"] for run in at_work["active_runs"]] == ["processing"]
    assert _steps(at_work)[-1] == "POST /api/sessions/…/cancel"
    assert generated["counts"]["tickets"] == 2
    assert _steps(generated)[0] == "POST /api/adf_validation/start/…"
    assert "POST /api/export/start/…" not in _steps(generated)
    assert valid["counts"]["validated"] is True
    assert _steps(valid)[0] == "POST /api/export/start/…"


async def test_every_step_without_a_body_leads_where_it_says(api: Api) -> None:
    await generated_session(api)
    [session] = await _recoverable(api)

    reads = [step for step in session["next_steps"] if step["method"] == "GET"]
    answers = [await api.client.get(step["path"]) for step in reads]

    assert len(reads) >= 4
    assert {answer.status_code for answer in answers} == {200}


async def test_the_last_failure_is_told_with_its_way_out_until_it_is_overcome(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    run_id = await queued_run(api, session_id)
    await execute(api, "UPDATE session_tasks SET state = 'failed', finished_at = now()")
    await put_stage(api, session_id, "upload")
    await fail(api, session_id, "Earlier.", at=-5)
    await fail(api, session_id, "It stopped.", task=run_id)

    failed = (await _recoverable(api))[0]
    await api.client.post(f"/api/runs/{run_id}/retry")
    await drain(api.runtime)
    mended = (await _recoverable(api))[0]

    assert failed["last_failure"]["user_message"] == "It stopped."
    assert failed["last_failure"]["recovery_actions"] == ["Mend it."]
    assert failed["last_failure"]["overcome"] is False
    assert _steps(failed)[0] == f"POST /api/runs/{run_id}/retry"
    assert mended["last_failure"]["overcome"] is True
    assert not [step for step in _steps(mended) if step.endswith("/retry")]


@contextmanager
def _statements(api: Api) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = api.runtime.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_many_sessions_take_no_more_statements_than_one(api: Api) -> None:
    def of_sessions(statements: list[str]) -> int:
        """Not those of the loops beside the requests, which know nothing of these tables."""
        tables = ("FROM sessions", "FROM session_errors", "FROM session_tasks")
        about = [text for text in statements if any(table in text for table in tables)]
        known_by = ("session_id IN", "unnest(", "FROM sessions")
        return sum(any(sign in text for sign in known_by) for text in about)

    first = await start_session(api, {"Bundles.csv": BUNDLES})
    await fail(api, first, "It stopped.")
    with _statements(api) as one:
        assert len(await _recoverable(api)) == 1
    for _ in range(5):
        await fail(api, await start_session(api, {"Bundles.csv": BUNDLES}), "It stopped.")
    with _statements(api) as many:
        assert len(await _recoverable(api)) == 6

    assert of_sessions(one) == of_sessions(many) == 4


async def test_whatever_is_done_in_a_session_keeps_it_longer(
    api: Api, subtests: pytest.Subtests
) -> None:
    session_id = await generated_session(api)
    ticket = (await tickets_of(api, session_id))[0]["id"]
    place = f"/api/sessions/{session_id}"
    sheet = [("files", ("Roles.csv", b"Name,Machine name\nEditor,editor\n", "text/csv"))]
    deeds: dict[str, Any] = {
        "edit": api.client.patch(f"{place}/tickets/{ticket}", json={"revision": 1, "title": "X"}),
        "describe": api.client.patch(place, json={"name": "Pier"}),
        "start": api.client.post(f"/api/adf_validation/start/{session_id}"),
        "cancel": api.client.post(f"{place}/cancel"),
        "upload": api.client.post(f"{place}/uploads", files=sheet),
    }
    for name, deed in deeds.items():
        with subtests.test(deed=name):
            await execute(api, f"UPDATE sessions SET updated_at = {_LONG_AGO}")

            answer = await deed

            assert answer.is_success, answer.text
            assert (
                await count_rows(api, "sessions WHERE updated_at > now() - interval '1 day'") == 1
            )


async def test_a_session_whose_run_waited_for_days_is_there_when_it_has_ended(api: Api) -> None:
    session_id = await generated_session(api)
    await execute(api, "UPDATE sessions SET updated_at = now() - interval '8 days'")

    await api.client.post("/api/cleanup.expired_sessions/start", headers=api.as_admin)
    await drain(api.runtime)

    [session] = await _recoverable(api)
    assert session["id"] == session_id
    assert await count_rows(api, "session_tasks WHERE finished_at IS NOT NULL") == 2


def test_the_shortest_retention_counts_and_a_broken_one_does_not(
    clean_environment: pytest.MonkeyPatch, install_plugin: Any
) -> None:
    source = """
from datetime import timedelta
from ticketgen import Plugin, hookimpl
from ticketgen.provides import SessionRetention

def broken(settings):
    raise RuntimeError("no idea")

@hookimpl
def ticketgen_plugin():
    return Plugin(name="acme", summary="Deletes.", provides=(
        SessionRetention(name="short", summary="s", period=lambda settings: timedelta(days=2)),
        SessionRetention(name="none", summary="s", period=broken),
    ))
"""
    ours = shortest_retention(load_registry(Settings()))
    installed: InstalledPlugin = install_plugin("acme", source)

    with_theirs = shortest_retention(load_registry(Settings()))
    nobody = shortest_retention(load_registry(Settings(required_plugins=(), safe_mode=True)))

    assert installed is not None
    assert ours == timedelta(days=7)
    assert with_theirs == timedelta(days=2)
    assert nobody is None
