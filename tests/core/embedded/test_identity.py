"""Root, a user without a name, and a plain user all get servers that run as somebody harmless."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.embedded.probes import all_gone, owner, put, sql
from ticketgen.embedded import DataUnusableError, EmbeddedServers, EmbeddedServersError
from ticketgen.embedded.binaries import Binaries, find_binaries
from ticketgen.embedded.identity import IdentityChoice

pytestmark = pytest.mark.services

NOBODY = next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_name == "nobody"), None)
as_root = pytest.mark.skipif(os.geteuid() != 0 or NOBODY is None, reason="needs root and a nobody")


def _namespaces_allowed(*options: str) -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    return subprocess.run([unshare, *options, "true"], check=False).returncode == 0


with_namespaces = pytest.mark.skipif(
    not _namespaces_allowed("-U", "-r"), reason="user namespaces are not allowed here"
)


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def binary_of(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


@as_root
@with_namespaces
def test_in_a_namespace_every_file_stays_roots_own(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path, durable=False, identity="namespace") as servers:
        owners = {path.stat().st_uid for path in (tmp_path / "servers").rglob("*")}
        users = {user_of(pid) for pid in servers.pids.values()}

    assert owners == {0}
    assert users == {0}


@as_root
async def test_without_a_namespace_nobody_runs_them_in_a_private_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    with EmbeddedServers(home / "data", durable=False, identity="setuid") as servers:
        users = {user_of(pid) for pid in servers.pids.values()}
        servers.kill_postgres()
        servers.start_postgres()
        answer = await sql(servers.database_url, "SELECT 1")

    assert users == {NOBODY}
    assert answer == 1
    assert home.stat().st_uid == 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@as_root
@with_namespaces
@pytest.mark.parametrize("order", [("setuid", "namespace"), ("namespace", "setuid")])
async def test_data_survives_a_change_of_the_way_to_run_them(
    tmp_path: Path, order: tuple[IdentityChoice, IdentityChoice]
) -> None:
    with EmbeddedServers(tmp_path, durable=False, identity=order[0]) as servers:
        await sql(servers.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")

    with EmbeddedServers(tmp_path, durable=False, identity=order[1]) as servers:
        answer = await sql(servers.database_url, "SELECT answer FROM kept")

    assert answer == 42


@as_root
def test_a_folder_that_root_had_to_make_again_is_handed_over_too(tmp_path: Path) -> None:
    with EmbeddedServers(tmp_path, durable=False, identity="setuid"):
        pass
    shutil.rmtree(tmp_path / "servers" / "redis")

    with EmbeddedServers(tmp_path, identity="setuid") as servers:
        put(servers.redis_url, "kept")
        owners = {path.stat().st_uid for path in (tmp_path / "servers" / "redis").rglob("*")}

    assert owners == {NOBODY}


@as_root
async def test_binaries_in_a_private_home_are_copied_and_the_copy_is_removed(
    tmp_path: Path,
) -> None:
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    found = find_binaries()
    package = private / found.package.name
    shutil.copytree(found.postgres, package / found.postgres.name, symlinks=True)
    for libraries in found.package.parent.glob(f"{found.package.name}.libs"):
        shutil.copytree(libraries, private / libraries.name, symlinks=True)
    shutil.copy2(found.valkey, private)
    hidden = Binaries(postgres=package / found.postgres.name, valkey=private / found.valkey.name)
    servers = EmbeddedServers(tmp_path / "data", durable=False, identity="setuid", binaries=hidden)

    with servers:
        answer = await sql(servers.database_url, "SELECT 1")
        runs = binary_of(servers.pids["postgres"])

    assert answer == 1
    assert not runs.is_relative_to(private)
    assert not runs.exists()


@as_root
def test_root_does_not_take_a_directory_from_its_user(tmp_path: Path) -> None:
    theirs = tmp_path / "data"
    theirs.mkdir()
    os.chown(theirs, 4321, 4321)

    with pytest.raises(DataUnusableError, match="belongs to another user"):
        EmbeddedServers(theirs).start()

    assert theirs.stat().st_uid == 4321
    assert list(theirs.iterdir()) == []


@as_root
def test_root_does_not_take_servers_data_from_its_user(tmp_path: Path) -> None:
    theirs = tmp_path / "servers"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 4321, 4321)

    with pytest.raises(DataUnusableError, match="another user"):
        EmbeddedServers(tmp_path).start()

    assert theirs.stat().st_uid == 4321


@as_root
@with_namespaces
@pytest.mark.parametrize("user", [str(NOBODY), "54321"], ids=["named", "nameless"])
def test_an_unprivileged_user_runs_them_even_without_a_name(tmp_path: Path, user: str) -> None:
    through = ["unshare", "-U", f"--map-user={user}", f"--map-group={user}"]

    with owner(tmp_path, through=through) as running:
        alive = not all_gone(running.pids.values(), within=0.0)

    assert alive
    assert all_gone(running.pids.values())


def test_a_user_without_a_name_and_without_namespaces_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: None
) -> None:
    monkeypatch.setattr("ticketgen.embedded.identity._is_root", lambda: False)
    monkeypatch.setattr("ticketgen.embedded.identity._has_name", lambda uid: False)

    with pytest.raises(EmbeddedServersError, match="user with a name"):
        EmbeddedServers(tmp_path).start()


@as_root
def test_root_becomes_nobody_where_namespaces_are_forbidden(tmp_path: Path, refused: None) -> None:
    with EmbeddedServers(tmp_path, durable=False) as servers:
        users = {user_of(pid) for pid in servers.pids.values()}

    assert users == {NOBODY}


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that forbids user namespaces, as containers do."""
    from ticketgen.embedded.control import CommandRefusedError, Control

    call: Callable[..., dict[str, object]] = Control.call

    def refusing(self: Control, command: str, **arguments: object) -> dict[str, object]:
        if command == "enter_namespace":
            raise CommandRefusedError("PermissionError: [Errno 1] Operation not permitted")
        return call(self, command, **arguments)

    monkeypatch.setattr(Control, "call", refusing)
