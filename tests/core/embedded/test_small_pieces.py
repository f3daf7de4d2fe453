"""Endpoints, logs, process identities and command lines, each by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ticketgen.embedded import Endpoint, attach, postgres, valkey
from ticketgen.embedded.endpoint import endpoint_file, write_endpoint
from ticketgen.embedded.logs import rotate, tail
from ticketgen.embedded.processes import Birth, birth_of, is_alive, send_signal


def _endpoint() -> Endpoint:
    owner = birth_of(os.getpid())
    assert owner is not None
    return Endpoint(
        database_url="postgresql+asyncpg://ticketgen@/ticketgen?host=/tmp/tg-1",
        redis_url="unix:///tmp/tg-1/redis.sock?db=0",
        owner=owner,
        host=socket.gethostname(),
        started_at=datetime(2025, 3, 1, tzinfo=UTC),
        pids={"postgres": 1, "redis": 2, "supervisor": 3},
        extra={"api_url": "http://127.0.0.1:8000"},
    )


def test_an_endpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    endpoint = _endpoint()

    write_endpoint(tmp_path, endpoint)

    assert attach(tmp_path) == endpoint
    assert [path.name for path in tmp_path.iterdir()] == ["endpoint.json"]


def test_an_endpoint_of_another_host_or_another_process_is_none(tmp_path: Path) -> None:
    endpoint = _endpoint()
    strangers = [
        replace(endpoint, host="elsewhere"),
        replace(endpoint, owner=replace(endpoint.owner, began="another time")),
    ]

    found = []
    for stranger in strangers:
        write_endpoint(tmp_path, stranger)
        found.append(attach(tmp_path))

    assert found == [None, None]


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"owner": {"pid": 1}}'])
def test_a_missing_or_broken_endpoint_is_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        endpoint_file(tmp_path).write_text(text)

    assert attach(tmp_path) is None


def test_a_process_is_told_from_a_later_one_with_its_id() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]) as process:
        birth = birth_of(process.pid)
        assert birth is not None
        later = Birth(pid=birth.pid, began="later")

        refused = send_signal(later, signal.SIGKILL)
        sent = send_signal(birth, signal.SIGKILL)
        process.wait(timeout=60)

    assert (refused, sent) == (False, True)
    assert not is_alive(birth)


def test_the_remains_of_a_process_are_no_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()
    process.stdout.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    before_reaping = birth_of(process.pid)
    process.wait()

    assert before_reaping is None


def test_a_tail_shows_only_what_is_new(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("old\n")
    start = rotate(log)
    with log.open("a") as file:
        file.write("one\ntwo\nthree\n")

    assert tail(log, start=start) == "one\ntwo\nthree"
    assert tail(log, start=start, lines=2) == "two\nthree"
    assert tail(log, start=99) == "(nothing was logged)"
    assert tail(tmp_path / "absent.log") == "(no log)"


def test_a_large_log_is_put_aside_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    absent = rotate(log)
    log.write_text("12345")

    kept = rotate(log, limit=5)
    aside = rotate(log, limit=4)

    assert (absent, kept, aside) == (0, 5, 0)
    assert (tmp_path / "server.log.1").read_text() == "12345"


@pytest.mark.parametrize("durable", [True, False])
def test_only_durable_servers_sync_to_disk(durable: bool) -> None:
    place = Path("/data")

    sql = postgres.command(install=place, cluster=place, sockets=place, durable=durable)
    keys = valkey.command(binary=place, home=place, sockets=place, durable=durable)

    assert ("fsync=off" in sql) is not durable
    assert keys[keys.index("--appendonly") + 1] == ("yes" if durable else "no")
    assert keys[keys.index("--maxmemory-policy") + 1] == "noeviction"
    assert "listen_addresses=" in sql
    assert keys[keys.index("--port") + 1] == "0"
