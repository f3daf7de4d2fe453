"""However the process that started the servers ends, nothing of them stays."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.embedded.probes import all_gone, owner, sql
from ticketgen.embedded import EmbeddedServers, ServersLostError, attach
from ticketgen.embedded.directory import socket_folder

pytestmark = pytest.mark.services


@pytest.mark.parametrize("mode", ["leave", "fail"])
def test_no_server_is_left_when_the_owner_ends_by_itself(data: Path, mode: str) -> None:
    with owner(data, mode) as running:
        running.process.wait(timeout=60)

    assert all_gone(running.pids.values(), within=0.1)
    assert not socket_folder(data).exists()
    assert not (data / "endpoint.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_server_is_left_when_the_owners_group_is_signalled(
    data: Path, number: signal.Signals
) -> None:
    with owner(data) as running:
        os.killpg(running.process.pid, number)
        running.process.wait(timeout=60)

    assert all_gone(running.pids.values())
    assert not socket_folder(data).exists()
    assert "database system is shut down" in (data / "servers" / "postgres.log").read_text()


def test_ctrl_c_in_the_owners_terminal_does_not_reach_the_servers(data: Path) -> None:
    with owner(data) as running:
        groups = {name: os.getpgid(pid) for name, pid in running.pids.items()}

    assert running.process.pid not in groups.values()
    assert os.getpgrp() not in groups.values()


def test_a_forked_child_that_outlives_the_killed_owner_keeps_nothing_alive(data: Path) -> None:
    with owner(data, "fork") as running:
        os.kill(running.process.pid, signal.SIGKILL)

        gone = all_gone(running.pids.values())
        with EmbeddedServers(data, durable=False, patience=timedelta(seconds=60)) as servers:
            servers.check()
        os.killpg(running.process.pid, signal.SIGKILL)

    assert gone


async def test_a_killed_owner_is_no_obstacle_to_the_next_start(data: Path) -> None:
    with owner(data) as running:
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(timeout=60)

        with EmbeddedServers(data, durable=False) as servers:
            answer = await sql(servers.database_url, "SELECT 1")

    assert answer == 1


def test_servers_of_a_killed_supervisor_end_with_their_owner(data: Path) -> None:
    with owner(data) as running:
        os.kill(running.pids["supervisor"], signal.SIGKILL)
        os.kill(running.process.pid, signal.SIGTERM)
        running.process.wait(timeout=60)

        with EmbeddedServers(data, durable=False) as servers:
            new = servers.pids

    assert all_gone(running.pids.values(), within=0.1)
    assert set(new.values()).isdisjoint(running.pids.values())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_the_supervisor_is_noticed_and_ends_the_servers(
    data: Path, number: signal.Signals
) -> None:
    servers = EmbeddedServers(data, durable=False)
    servers.start()
    pids = servers.pids

    os.kill(pids["supervisor"], number)
    all_gone([pids["supervisor"]])
    with pytest.raises(ServersLostError, match="supervisor"):
        servers.check()
    servers.stop()

    assert all_gone(pids.values(), within=0.1)


def test_a_dead_owners_endpoint_is_not_attached_to(data: Path) -> None:
    with owner(data) as running:
        alive = attach(data)
        content = (data / "endpoint.json").read_text()
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait(timeout=60)
        all_gone(running.pids.values())
        (data / "endpoint.json").write_text(content)

    assert alive is not None
    assert alive.pids == running.pids
    assert attach(data) is None
