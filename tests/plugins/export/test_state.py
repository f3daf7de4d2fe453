from __future__ import annotations

from contextlib import aclosing

import pytest

from ticketgen_export.jira_stub import JiraStub, serving_stub
from ticketgen_export.settings import ExportSettings
from ticketgen_export.state import SharedClient


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_the_way_to_this_machine_leads_through_no_proxy(
    variable: str, clean_environment: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        clean_environment.delenv(name, raising=False)
        clean_environment.delenv(name.lower(), raising=False)
    clean_environment.setenv(variable, "http://127.0.0.1:9")

    async with serving_stub(JiraStub()) as url, aclosing(SharedClient(ExportSettings())) as http:
        answers = [
            await http().get(f"{place}/rest/api/3/myself")
            for place in (url, url.replace("127.0.0.1", "localhost"))
        ]

    assert [answer.status_code for answer in answers] == [401, 401]
