"""Both servers start, answer, keep what they are given, and can be crashed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.core.embedded.probes import all_gone, get, put, sql
from ticketgen.embedded import (
    DataUnusableError,
    DirectoryInUseError,
    EmbeddedServers,
    EmbeddedServersError,
    PlatformUnsupportedError,
    ServerNotReadyError,
    ServersLostError,
    attach,
)
from ticketgen.embedded.binaries import require_supported_platform
from ticketgen.embedded.directory import socket_folder
from ticketgen.embedded.processes import birth_of

pytestmark = pytest.mark.services


async def test_the_database_url_is_one_for_sqlalchemy_and_speaks_utc_and_utf8(
    servers: EmbeddedServers,
) -> None:
    engine = create_async_engine(servers.database_url)
    question = "SELECT current_database(), getdatabaseencoding(), current_setting('timezone')"

    async with engine.connect() as connection:
        row = (await connection.execute(text(question))).one()
    await engine.dispose()

    assert tuple(row) == ("ticketgen", "UTF8", "UTC")


async def test_postgres_sorts_the_same_on_every_machine(servers: EmbeddedServers) -> None:
    ordered = await sql(
        servers.database_url,
        "SELECT string_agg(x, '' ORDER BY x) FROM unnest(ARRAY['b','B','a','é','A']) AS x",
    )

    assert ordered == "ABabé"


def test_nothing_listens_but_private_sockets(servers: EmbeddedServers) -> None:
    folder = socket_folder(servers.directory)

    sockets = {path.name for path in folder.iterdir() if path.is_socket()}

    assert sockets == {".s.PGSQL.5432", "redis.sock"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (servers.directory / "servers").stat().st_mode & 0o777 == 0o700


async def test_a_restart_keeps_what_both_stored_and_their_urls(data: Path) -> None:
    async with EmbeddedServers(data) as first:
        urls = (first.database_url, first.redis_url)
        await sql(first.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
        put(first.redis_url, "kept")

    async with EmbeddedServers(data) as second:
        answer = await sql(second.database_url, "SELECT answer FROM kept")
        value = get(second.redis_url)

    assert (answer, value) == (42, "kept")
    assert urls == (second.database_url, second.redis_url)


def test_stopping_leaves_the_data_and_nothing_else(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path, durable=False) as servers:
        pids = servers.pids

    assert set(pids) == {"supervisor", "postgres", "redis"}
    assert all_gone(pids.values(), within=0.1)
    assert not socket_folder(tmp_path).exists()
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "servers"}


def test_a_second_start_on_a_directory_names_the_first(servers: EmbeddedServers) -> None:
    second = EmbeddedServers(servers.directory)

    with pytest.raises(DirectoryInUseError) as caught:
        second.start()

    assert str(servers.directory) in caught.value.message
    assert f"process {os.getpid()} " in caught.value.message
    assert f"kill {os.getpid()}" in caught.value.recovery_actions[0]
    servers.check()


def test_starting_what_is_started_is_refused_without_harm(servers: EmbeddedServers) -> None:
    with pytest.raises(EmbeddedServersError, match="already started"):
        servers.start()
    with pytest.raises(EmbeddedServersError, match="already runs"):
        servers.start_redis(wipe=True)

    servers.check()


def test_a_stale_process_id_of_a_living_stranger_is_no_obstacle(data: Path) -> None:
    stale = data / "servers" / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getppid()}\n{stale.parent}\n1\n5432\n\n\n\nready\n")

    with EmbeddedServers(data, durable=False) as servers:
        servers.check()


def test_data_of_another_postgres_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    cluster = tmp_path / "servers" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("9\n")

    with pytest.raises(DataUnusableError, match="of Postgres 9; the installed one is"):
        EmbeddedServers(tmp_path).start()

    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_a_set_up_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    draft = tmp_path / "servers" / "postgres.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("half")

    with EmbeddedServers(tmp_path, durable=False) as servers:
        servers.check()

    assert not draft.exists()


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(data: Path) -> None:
    (data / "servers" / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
    servers = EmbeddedServers(data, durable=False)

    with pytest.raises(ServerNotReadyError, match="no_such_setting"):
        servers.start()

    assert servers.pids == {}
    assert attach(data) is None


def test_a_server_that_stays_silent_is_given_up_in_time(tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path, durable=False, ready_within=timedelta(0))

    with pytest.raises(ServerNotReadyError, match="is not ready after 0 s"):
        servers.start()

    assert servers.pids == {}


async def test_a_cancelled_start_leaves_nothing_running(tmp_path: Path) -> None:
    servers = EmbeddedServers(tmp_path, durable=False)
    starting = asyncio.ensure_future(servers.__aenter__())
    while not (tmp_path / "servers").exists():  # noqa: ASYNC110 - a folder has no event
        await asyncio.sleep(0.005)

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert servers.pids == {}
    with EmbeddedServers(tmp_path, durable=False) as again:
        again.check()


def test_what_is_published_reaches_whoever_attaches(servers: EmbeddedServers) -> None:
    servers.publish(api_url="http://127.0.0.1:8000", note="gone in a moment")
    servers.publish(note=None)

    endpoint = attach(servers.directory)

    assert endpoint is not None
    assert endpoint.extra == {"api_url": "http://127.0.0.1:8000"}
    assert (endpoint.database_url, endpoint.redis_url) == (servers.database_url, servers.redis_url)
    assert endpoint.owner == birth_of(os.getpid())
    assert (servers.directory / "endpoint.json").stat().st_mode & 0o777 == 0o600


async def test_a_crashed_postgres_recovers_what_was_committed(data: Path) -> None:
    with EmbeddedServers(data) as servers:
        await sql(servers.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")

        servers.kill_postgres()
        with pytest.raises(OSError, match=r"No such file|refused"):
            await sql(servers.database_url, "SELECT 1")
        servers.check()
        servers.start_postgres()
        answer = await sql(servers.database_url, "SELECT answer FROM kept")

    assert answer == 42


async def test_postgres_comes_back_right_after_a_kill_from_outside(data: Path) -> None:
    with EmbeddedServers(data, durable=False) as servers:
        os.kill(servers.pids["postgres"], signal.SIGKILL)
        all_gone([servers.pids["postgres"]])

        with pytest.raises(ServersLostError, match="embedded postgres ended by itself"):
            await asyncio.wait_for(servers.wait_until_lost(), timeout=60)
        servers.start_postgres()
        answer = await sql(servers.database_url, "SELECT 1")
        servers.check()

    assert answer == 1


def test_a_crashed_redis_keeps_what_it_had_answered_for(data: Path) -> None:
    with EmbeddedServers(data) as servers:
        put(servers.redis_url, "kept")

        servers.kill_redis()
        servers.start_redis()

        assert get(servers.redis_url) == "kept"


def test_a_wiped_redis_has_forgotten_everything(data: Path) -> None:
    with EmbeddedServers(data) as servers:
        put(servers.redis_url, "forgotten")
        old = servers.pids["redis"]

        servers.stop_redis()
        servers.start_redis(wipe=True)
        endpoint = attach(data)

        assert get(servers.redis_url) is None
        assert endpoint is not None
        assert endpoint.pids["redis"] not in {old, None}


def test_windows_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> None:
        require_supported_platform("win32")

    monkeypatch.setattr("ticketgen.embedded.servers.require_supported_platform", refuse)

    with pytest.raises(PlatformUnsupportedError, match="not on Windows"):
        EmbeddedServers(tmp_path)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_no_say_over_the_servers(servers: EmbeddedServers) -> None:
    child = multiprocessing.get_context("fork").Process(target=servers.stop)

    child.start()
    child.join()

    assert child.exitcode == 0
    servers.check()
