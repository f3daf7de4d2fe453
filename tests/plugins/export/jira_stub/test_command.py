from __future__ import annotations

import json
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from tests.plugins.export.jira_stub.site import ticket
from ticketgen.cli.main import app


@contextmanager
def _running(*arguments: str) -> Iterator[Any]:
    """The stand-in as a process; what it prints of itself."""
    with subprocess.Popen(
        [sys.executable, "-m", "ticketgen_export.jira_stub", "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        deadline = threading.Timer(60, process.kill)
        deadline.start()
        try:
            yield json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0, "Ctrl-C is how it ends"
        finally:
            deadline.cancel()
            process.kill()


def test_it_runs_as_a_process_until_it_is_stopped() -> None:
    with _running("--project", "ACME", "--project", "DEMO", "--index-lag", "0") as told:
        auth = (told["email"], told["token"])
        with httpx2.Client(base_url=told["url"], auth=auth) as http:
            created = http.post("/rest/api/3/issue", json=ticket())
            state = http.get("/_stub/state").json()

    assert created.json()["key"] == "DEMO-1"
    assert [project["key"] for project in state["projects"]] == ["ACME", "DEMO"]


def test_a_token_may_come_from_the_environment_and_documents_are_judged(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    token = secrets.token_urlsafe()
    clean_environment.setenv("ACME_TOKEN", token)
    document = {"type": "doc", "version": 1, "content": [{"type": "poem"}]}

    with (
        _running("--token-env", "ACME_TOKEN") as told,
        httpx2.Client(base_url=told["url"], auth=(told["email"], token)) as http,
    ):
        refused = http.post("/rest/api/3/issue", json=ticket(description=document))

    assert refused.status_code == 400
    assert refused.json()["errorMessages"] == ["INVALID_INPUT"]


def test_a_variable_that_is_not_set_is_named(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.delenv("ACME_TOKEN", raising=False)

    result = CliRunner().invoke(app, ["jira-stub", "--token-env", "ACME_TOKEN"])

    assert result.exit_code == 1
    assert "The variable ACME_TOKEN is not set." in result.stderr


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = CliRunner().invoke(app, ["export", "jira-stub", "--port", str(port)])

    assert result.exit_code == 1
    assert f"Nothing can listen on 127.0.0.1:{port}" in result.stderr
    assert "--port" in result.stderr
