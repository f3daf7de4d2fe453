from __future__ import annotations

import io
import logging
import secrets
import traceback
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
import structlog
from pydantic import ValidationError

from tests.plugins.export.connections.place import (
    Place,
    back,
    begun,
    by_oauth,
    by_token,
    consented,
    everything_stored,
    expire,
    mia,
    new_connection,
    opened,
)
from ticketgen.logs import configure_logs
from ticketgen.testing import Api
from ticketgen_export.connections.access import Access
from ticketgen_export.connections.renewing import _Held
from ticketgen_export.connections.tokens import Tokens
from ticketgen_export.errors import JiraUnansweredError
from ticketgen_export.jira.client import JiraClient
from ticketgen_export.jira.pace import Pace

pytestmark = pytest.mark.services


@pytest.fixture
def logged(api: Api) -> io.StringIO:
    """Everything any library says, at the lowest level, before anything is redacted."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in ("httpx2", "httpcore2", "sqlalchemy.engine", "ticketgen_export"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    return said


async def _journey(api: Api, place: Place) -> list[str]:
    """All that a user sees of connecting, checking, renewing, failing and logging out."""
    seen = []
    tokened, granted = await by_token(api, place), await by_oauth(api)
    await expire(api.runtime, granted)
    for made in (tokened, granted):
        address = f"/api/export/connections/{made['id']}"
        for answer in (
            await api.client.get(address),
            await api.client.post(f"{address}/check", json={"project_key": "HM"}),
        ):
            assert answer.status_code == 200
            seen.append(answer.text)
    for body in (new_connection(place, email="x"), new_connection(place, site_url="x")):
        seen.append((await api.client.post("/api/export/connections", json=body)).text)
    replayed = dict(await consented(await begun(api)))
    seen += [(await back(api, **replayed)).text for _ in range(2)]
    place.stub.oauth.revoke_grants()
    await expire(api.runtime, granted)
    lost = await api.client.post(f"/api/export/connections/{granted['id']}/check")
    assert lost.status_code == 409
    seen.append(lost.text)
    seen.append((await api.client.get("/api/export/connections")).text)
    seen.append(repr(opened(api)) + repr(api.runtime.registry.settings["export"]))
    return seen


async def test_no_secret_is_stored_readable_logged_or_answered(
    api: Api, place: Place, logged: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        seen = await _journey(api, place)
    finally:
        structlog.reset_defaults()

    everywhere = {
        "answers": "\n".join(seen),
        "rows": await everything_stored(api.runtime),
        "logs": logged.getvalue(),
    }
    assert "export_connections" in everywhere["logs"]
    assert place.url in everywhere["rows"]
    assert len(place.secrets()) >= 6
    for where, text in everywhere.items():
        for secret in (*place.secrets(), api.runtime.keys.keys[0]):
            assert secret not in text, f"a secret is in the {where}"


async def test_nothing_that_holds_a_secret_shows_it(api: Api, place: Place) -> None:
    made = await by_oauth(api)

    held = await opened(api).connections._renewer.read(UUID(made["id"]))

    assert isinstance(held, _Held)
    shown = f"{held!r} {held.access!r} {held.connection!r} {Tokens(access_token='abc-xyz')!r}"
    assert "abc-xyz" not in shown
    assert held.tokens.access_token not in shown
    assert str(await mia(api.runtime))


async def test_a_header_that_cannot_be_sent_is_not_quoted(place: Place) -> None:
    token = secrets.token_urlsafe(24)
    access = Access(
        api_url=place.url, site_url=place.url, authorization=f"Bearer {token}\n", scopes=None
    )

    class Given:
        async def current(self) -> Access:
            return access

        async def renewed(self, refused: Access) -> Access:
            return refused

    async with httpx2.AsyncClient() as http:
        patience = timedelta(seconds=5)
        client = JiraClient(lambda: http, Given(), timeout=patience, pace=Pace(timedelta(0)))
        with pytest.raises(JiraUnansweredError) as refused:
            await client.write("/rest/api/3/issue", "create an issue", json={})

    shown = "".join(traceback.format_exception(refused.value))
    assert refused.value.technical_details == {"error": "LocalProtocolError"}
    assert token not in shown + repr(refused.value.__cause__)


def test_tokens_that_cannot_be_read_are_not_quoted() -> None:
    token = secrets.token_urlsafe(24)

    with pytest.raises(ValidationError) as refused:
        Tokens.model_validate_json(f'"{token}"')

    assert token not in str(refused.value)


def test_the_logs_of_the_http_library_are_kept_down() -> None:
    from ticketgen.settings import Settings

    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    try:
        configure_logs(Settings(log_level="DEBUG"))

        assert logging.getLogger("httpx2").getEffectiveLevel() >= logging.WARNING
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**before)
