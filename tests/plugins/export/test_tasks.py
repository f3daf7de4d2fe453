from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from types import ModuleType

import pytest

from tests.plugins import journeys
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, drain

pytestmark = pytest.mark.services

TRACKER = """
from ticketgen import Blocker, Plugin, hookimpl
from ticketgen.errors import RateLimitedError, TemporaryError, UserFixableError
from ticketgen.provides import CompletedExport, ExportedFile, ExportTarget, SentTicket

SENT = []
SENDINGS = []
COMPLETED = []
PROBLEMS = {}
BLOCKERS = []


async def send(ticket, sending):
    SENDINGS.append(sending)
    problem = PROBLEMS.pop(len(SENDINGS), None)
    if problem is not None:
        raise problem
    SENT.append(ticket)
    return SentTicket(
        ticket_id=ticket.id,
        reference=f"HM-{len(SENT)}",
        files=(ExportedFile(name=f"{len(SENT)}.txt", media_type="text/plain", content=b"x"),),
        manual_fixes=("Assign HM-1 by hand.",) if len(SENT) == 1 else (),
    )


async def complete(tickets, sent, sending):
    COMPLETED.append({ticket.key: sent[ticket.id].reference for ticket in tickets})
    return CompletedExport()


@hookimpl
def ticketgen_plugin():
    target = ExportTarget(name="tracker", summary="Keeps.", send=send, complete=complete)
    return Plugin(name="tracker", summary="Brings a target and a gate.", provides=(target,))


@hookimpl
async def ticketgen_export_blockers(session):
    return list(BLOCKERS)
"""


@pytest.fixture
def installed(
    install_plugin: Callable[..., InstalledPlugin], clean_environment: pytest.MonkeyPatch
) -> InstalledPlugin:
    """A stranger's target and gate, installed before the host of the test starts."""
    # Each try is a run's own here, so that the tests stand between them.
    clean_environment.setenv("TICKETGEN_EXPORT_PATIENCE", "0")
    return install_plugin("tracker", TRACKER)


@pytest.fixture
async def runtime(installed: InstalledPlugin, settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings) as opened:
        yield opened


@pytest.fixture
def tracker(installed: InstalledPlugin, runtime: Runtime) -> ModuleType:
    """The target's module: what it was sent, and what is to go wrong with it."""
    return sys.modules[installed.module]


async def test_a_target_gets_every_ticket_after_those_it_depends_on(
    api: Api, tracker: ModuleType
) -> None:
    session_id = await journeys.validated(api)

    summary = await journeys.do(api, "export", session_id, target="tracker")

    sent: set[object] = set()
    for ticket in tracker.SENT:
        assert sent.issuperset(ticket.depends_on)
        sent.add(ticket.id)
    assert [sending.last_reference for sending in tracker.SENDINGS] == [None, "HM-1", "HM-2"]
    assert len({sending.idempotency_key for sending in tracker.SENDINGS}) == 3
    assert list(tracker.COMPLETED[0].values()) == ["HM-1", "HM-2", "HM-3"]
    assert summary["manual_fixes"] == ["Assign HM-1 by hand."]
    assert set(await journeys.exported(api, session_id)) == {"1.txt", "2.txt", "3.txt"}


async def test_an_export_goes_on_at_the_ticket_it_stopped_at(api: Api, tracker: ModuleType) -> None:
    session_id = await journeys.validated(api)
    tracker.PROBLEMS[2] = tracker.TemporaryError("The tracker is down.")
    await journeys.start(api, "export", session_id, target="tracker")

    [stopped] = await drain(api.runtime)
    await asyncio.sleep(0.01)
    [done] = await drain(api.runtime)

    assert (stopped.status, done.status, done.attempt) == ("processing", "completed", 2)
    assert len(tracker.SENDINGS) == 4, "the second ticket twice, the others once"
    assert tracker.SENDINGS[2].last_reference == "HM-1"
    assert tracker.SENDINGS[1].idempotency_key == tracker.SENDINGS[2].idempotency_key
    assert done.result_summary is not None
    assert done.result_summary["manual_fixes"] == ["Assign HM-1 by hand."]


async def test_a_refusal_of_the_target_ends_the_export_and_can_be_acted_on(
    api: Api, tracker: ModuleType
) -> None:
    session_id = await journeys.validated(api)
    tracker.PROBLEMS[1] = tracker.UserFixableError(
        "The project HM does not exist.", recovery_actions=["Correct the project key."]
    )
    await journeys.start(api, "export", session_id, target="tracker")

    await drain(api.runtime)

    run = await journeys.latest_run(api, "export", session_id)
    assert (run["status"], run["tries"]) == ("failed", 1)
    assert run["error"]["recovery_actions"] == ["Correct the project key."]
    assert await journeys.stage(api, session_id) == "jira_export"


async def test_after_a_failed_export_tickets_can_be_mended_and_exported(
    api: Api, tracker: ModuleType
) -> None:
    session_id = await journeys.validated(api)
    tracker.PROBLEMS[1] = tracker.UserFixableError("The title is too odd.")
    await journeys.start(api, "export", session_id, target="tracker")
    await drain(api.runtime)
    first, *_ = await journeys.tickets(api, session_id)

    await journeys.edit(api, session_id, first, title="Mended")
    await journeys.do(api, "adf_validation", session_id)
    await journeys.do(api, "export", session_id, target="tracker")

    assert tracker.SENT[0].title == "Mended"
    assert await journeys.stage(api, session_id) == "completed"


async def test_the_gate_of_another_plugin_closes_the_export(api: Api, tracker: ModuleType) -> None:
    session_id = await journeys.validated(api)
    tracker.BLOCKERS.append(
        tracker.Blocker(
            code="tracker.budget", message="No budget.", recovery_actions=("Ask for money.",)
        )
    )

    answer = await journeys.start(api, "export", session_id)

    assert (answer.status_code, answer.json()["detail"]) == (409, "No budget.")
    assert answer.json()["recovery_actions"] == ["Ask for money."]


async def test_the_options_and_the_project_key_reach_the_target(
    api: Api, tracker: ModuleType
) -> None:
    session_id = await journeys.validated(api)
    await api.client.patch(f"/api/sessions/{session_id}", json={"jira_project_key": "HM"})

    await journeys.do(api, "export", session_id, target="tracker", options={"site": "x"})

    assert {sending.project_key for sending in tracker.SENDINGS} == {"HM"}
    assert tracker.SENDINGS[0].options == {"site": "x"}
