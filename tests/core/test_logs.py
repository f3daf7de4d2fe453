from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ticketgen.logs import configure_logs, redact
from ticketgen.settings import Settings

TOKEN = "tg_" + "aB3-_" * 8


class Written:
    """What has been written to standard error so far."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self._so_far = ""

    def getvalue(self) -> str:
        self._so_far += self._capture.readouterr().err
        return self._so_far


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """What the logs write; the configuration of logging is put back afterwards."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    yield Written(capsys)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def _lines(written: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "kept", "secret"),
    [
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer ", TOKEN[3:]),
        (f"the token {TOKEN} is wrong", "the token tg_", TOKEN[3:]),
        ("GET /api/x?pass=s3cr-et_&y=1", "GET /api/x?pass=", "s3cr-et_"),
        ("bearer abc.def", "bearer ", "abc.def"),
        ("Basic bWlhOnBhc3N3b3JkMTIz", "Basic ", "bWlhOnBhc3N3b3JkMTIz"),
        ('"access_token": "ab.cd-e_f"', '"access_token": "', "ab.cd-e_f"),
        ("GET /callback?code=aB-1&state=x", "GET /callback?code=", "aB-1"),
        ("refresh_token=ab12&x=1", "refresh_token=", "ab12"),
        ("postgresql://user:pa55@host/db", "postgresql://user:", "pa55"),
        ("redis://:pa55@host:6379/0", "redis://:", "pa55"),
    ],
)
def test_a_secret_is_taken_out_and_the_rest_stays(text: str, kept: str, secret: str) -> None:
    redacted = redact(text)

    assert redacted.startswith(kept)
    assert secret not in redacted
    assert "…" in redacted


@pytest.mark.parametrize(
    "text",
    [
        "nothing to hide",
        "bypass=1 is a word",
        "http://host:8000/x",
        "3 passes",
        "Basic authentication",
    ],
)
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_our_own_lines_are_written_with_action_and_fields(
    written: Written, log_format: str
) -> None:
    configure_logs(Settings(log_format=log_format))

    structlog.get_logger("ticketgen.test").info("run_began", run="r1", tries=2)

    line = written.getvalue()
    assert "Logging error" not in line
    assert "run_began" in line
    assert "r1" in line


def test_a_json_line_has_a_level_a_logger_a_time_and_what_is_bound(written: Written) -> None:
    configure_logs(Settings(log_format="json"))

    with structlog.contextvars.bound_contextvars(task="export"):
        structlog.get_logger("ticketgen.test").warning("run_retried", code="temporary")

    [line] = _lines(written)
    assert line["event"] == "run_retried"
    assert line["level"] == "warning"
    assert line["logger"] == "ticketgen.test"
    assert line["task"] == "export"
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_written_wherever_it_stands(written: Written, log_format: str) -> None:
    configure_logs(Settings(log_format=log_format))
    log = structlog.get_logger("ticketgen.test")

    log.info("seen", header=f"Bearer {TOKEN}", deep={"list": [TOKEN, ("?pass=s3cret",)]})
    logging.getLogger("uvicorn.error").info('"WebSocket %s" [accepted]', "/x?pass=s3cret")
    try:
        raise ValueError(f"no such token {TOKEN}, postgresql://u:pa55@h/d")
    except ValueError:
        log.exception("failed")
        logging.getLogger("library").exception("failed")

    assert "seen" in written.getvalue()
    assert "ValueError" in written.getvalue()
    for secret in (TOKEN[3:], "s3cret", "pa55"):
        assert secret not in written.getvalue()


def test_lines_of_libraries_have_the_same_form_as_ours(written: Written) -> None:
    configure_logs(Settings(log_format="json"))

    logging.getLogger("uvicorn.error").info("started on %s", "127.0.0.1")
    logging.getLogger("uvicorn.access").info("GET /")

    [line] = _lines(written)
    assert line["event"] == "started on 127.0.0.1"
    assert line["logger"] == "uvicorn.error"


def test_a_line_break_in_a_value_does_not_begin_a_line_of_its_own(written: Written) -> None:
    configure_logs(Settings(log_format="json"))

    structlog.get_logger("ticketgen.test").info("upload", file='x\n{"event": "forged"}')

    assert len(written.getvalue().splitlines()) == 1


def test_what_is_below_the_level_is_not_written(written: Written) -> None:
    configure_logs(Settings(log_format="json", log_level="warning"))

    structlog.get_logger("ticketgen.test").info("run_began")

    assert written.getvalue() == ""
