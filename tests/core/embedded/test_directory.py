"""A data directory has one owner, and its sockets a short place that nobody else can enter."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from ticketgen.embedded import DataUnusableError, DirectoryInUseError
from ticketgen.embedded.directory import claim, private_folder, socket_folder
from ticketgen.embedded.processes import Birth, birth_of

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
AT_ONCE = timedelta(0)
SOON = timedelta(seconds=1)
DEAD = Birth(pid=2**22 + 1, began="long ago")


def _orphan(descriptor: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(100)"], pass_fds=[descriptor]
    )


def test_a_directory_is_created_private_and_has_one_owner_at_a_time(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "data"
    first = claim(directory, patience=AT_ONCE)
    first.describe(since=NOW, processes={})

    with pytest.raises(DirectoryInUseError, match="2025-03-01T12:00:00") as caught:
        claim(directory, patience=SOON)
    first.release()
    claim(directory, patience=AT_ONCE).release()

    assert f"process {os.getpid()} on {socket.gethostname()}" in caught.value.message
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "lock").stat().st_mode & 0o777 == 0o600


def test_servers_of_a_dead_owner_that_do_not_end_are_told_to(tmp_path: Path) -> None:
    lock = claim(tmp_path, patience=AT_ONCE)
    with _orphan(lock.descriptor) as orphan:
        birth = birth_of(orphan.pid)
        assert birth is not None
        record = {
            "owner": asdict(DEAD),
            "host": socket.gethostname(),
            "processes": {"redis": asdict(birth)},
        }
        (tmp_path / "lock").write_text(json.dumps(record))
        lock.release()

        claim(tmp_path, patience=SOON).release()

        assert orphan.wait(timeout=60) != 0


def test_a_process_that_only_has_the_recorded_id_is_left_alone(tmp_path: Path) -> None:
    lock = claim(tmp_path, patience=AT_ONCE)
    with _orphan(lock.descriptor) as orphan:
        stranger = Birth(pid=orphan.pid, began="another time")
        record = {
            "owner": asdict(DEAD),
            "host": socket.gethostname(),
            "processes": {"redis": asdict(stranger)},
        }
        (tmp_path / "lock").write_text(json.dumps(record))
        lock.release()

        with pytest.raises(DirectoryInUseError):
            claim(tmp_path, patience=timedelta(milliseconds=200))
        alive = orphan.poll() is None
        orphan.kill()

    assert alive


def test_an_owner_on_another_host_is_not_waited_for(tmp_path: Path) -> None:
    lock = claim(tmp_path, patience=AT_ONCE)
    (tmp_path / "lock").write_text(json.dumps({"owner": asdict(DEAD), "host": "elsewhere"}))

    with pytest.raises(DirectoryInUseError, match="on elsewhere"):
        claim(tmp_path, patience=timedelta(hours=1))
    lock.release()


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_lock_file_that_says_nothing_is_no_reason_to_give_up_the_lock(
    tmp_path: Path, content: str
) -> None:
    lock = claim(tmp_path, patience=AT_ONCE)
    (tmp_path / "lock").write_text(content)

    with pytest.raises(DirectoryInUseError, match="process unknown"):
        claim(tmp_path, patience=timedelta(milliseconds=50))
    lock.release()
    claim(tmp_path, patience=AT_ONCE).release()


def test_a_file_in_the_place_of_the_directory_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(DataUnusableError, match="cannot be used: File exists"):
        claim(tmp_path / "data", patience=AT_ONCE)


def test_the_socket_folder_depends_on_the_directory_alone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "data")

    assert socket_folder(tmp_path / "data") == socket_folder(tmp_path / "link")
    assert socket_folder(tmp_path / "data") != socket_folder(tmp_path / "other")


@pytest.mark.parametrize("place", ["/" + "x" * 80, "/has space", "/has?question"])
def test_a_long_or_odd_temporary_directory_is_not_used_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", place)

    longest = str(socket_folder(tmp_path / ("y" * 200)) / ".s.PGSQL.5432.lock")

    assert len(longest) < 104
    assert quote(longest) == longest


def test_a_short_temporary_directory_holds_the_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/short")

    assert socket_folder(tmp_path).parent == Path("/short")


def test_a_folder_of_ours_is_made_private_again(tmp_path: Path) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o755)

    private_folder(folder, owners=frozenset({os.geteuid()}))

    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o755)

    with pytest.raises(DataUnusableError, match="belongs to somebody else"):
        private_folder(folder, owners=frozenset({os.geteuid() + 1}))

    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o755)
    (tmp_path / "sockets").symlink_to(target)

    with pytest.raises(DataUnusableError):
        private_folder(tmp_path / "sockets", owners=frozenset({os.geteuid()}))

    assert target.stat().st_mode & 0o777 == 0o755
