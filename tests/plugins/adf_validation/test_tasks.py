from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.plugins import journeys
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, drain

pytestmark = pytest.mark.services

CRITIC = """
from ticketgen import Finding, Plugin, Severity, hookimpl


@hookimpl
def ticketgen_plugin():
    return Plugin(name="critic", summary="Dislikes some titles.")


@hookimpl
async def ticketgen_check_ticket(ticket):
    if "boom" in ticket.title:
        raise ZeroDivisionError
    if "bad" not in ticket.title:
        return []
    return [
        Finding(
            severity=Severity.ERROR,
            rule="critic.title",
            message="The title is bad.",
            remedy="Choose another.",
            path="/title",
        )
    ]
"""


@pytest.fixture
async def runtime(
    install_plugin: Callable[..., InstalledPlugin], settings: Settings
) -> AsyncIterator[Runtime]:
    install_plugin("critic", CRITIC)
    async with open_runtime(settings) as opened:
        yield opened


async def test_the_check_of_another_plugin_counts_like_our_own(api: Api) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, title="a bad title")

    summary = await journeys.do(api, "adf_validation", session_id)

    report = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    rules = [item["rule"] for ticket in report["tickets"] for item in ticket["findings"]]
    assert (summary["passed"], summary["tickets_failed"], summary["errors"]) == (False, 1, 1)
    assert rules == ["critic.title"]


async def test_a_check_that_breaks_warns_and_lets_the_ticket_pass(api: Api) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, title="boom")

    summary = await journeys.do(api, "adf_validation", session_id)

    assert (summary["passed"], summary["errors"], summary["warnings"]) == (True, 0, 1)


async def test_the_export_plugin_warns_of_a_title_jira_would_cut(api: Api) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, title="two\nlines")

    await journeys.do(api, "adf_validation", session_id)

    report = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    [finding] = [item for ticket in report["tickets"] for item in ticket["findings"]]
    assert (finding["rule"], finding["severity"]) == ("export.summary", "warning")


async def test_a_validation_moves_no_stage_and_reports_its_progress(api: Api) -> None:
    session_id = await journeys.generated(api)
    await journeys.start(api, "adf_validation", session_id)

    [run] = await drain(api.runtime)

    assert await journeys.stage(api, session_id) == "review"
    assert run.progress["details"]["of"] == 3
