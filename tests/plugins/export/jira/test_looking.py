from __future__ import annotations

from datetime import timedelta

import pytest

from tests.plugins.export.jira.place import BULK, CREATE, Place, export, ready
from ticketgen.testing import Api
from ticketgen_export.jira_stub import FaultKind

pytestmark = pytest.mark.services

_FETCH = "POST /rest/api/3/issue/bulkfetch"


async def test_a_bulk_call_that_came_to_nothing_costs_few_reads(api: Api, place: Place) -> None:
    session_id = await ready(api, place)
    place.behave(index_lag=timedelta(minutes=5))
    place.fault(FaultKind.LOST_NUMBER, BULK, 1)

    run = await export(api, session_id, bulk=50)

    assert run["status"] == "completed", run
    assert len(place.stub.issues) == 3
    # Each of three looks, and one that came too early, read on as far as a gap may reach.
    assert place.stub.requests[_FETCH] <= 4 * 11


async def test_a_read_that_is_not_whole_proves_nothing(api: Api, place: Place) -> None:
    session_id = await ready(api, place)
    place.behave(index_lag=timedelta(minutes=5))
    place.fault(FaultKind.DROP_AFTER, CREATE, 1)
    for number in range(1, 4):
        place.fault(FaultKind.TRUNCATED, _FETCH, number)

    run = await export(api, session_id, bulk=1)

    assert run["status"] == "completed", run
    assert len(place.stub.issues) == 3
