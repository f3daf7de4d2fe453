"""As which user the servers run: Postgres refuses to be root and wants a user with a name.

Anyone else runs them as themselves (`plain`). Root, and a user id without an entry in the user
list as some containers give, runs them in a user namespace (`namespace`, Linux): inside they are
`nobody`, outside they are whoever started them, so every file stays where and whose it is. Where
namespaces are forbidden, as in most containers, root becomes `nobody` for good (`setuid`); the
servers' own folder is then given to `nobody` and handed over as an open descriptor, since the way
to it may lead through a private home. Binaries in such a home are copied beside the sockets.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ticketgen.embedded.binaries import Binaries
from ticketgen.embedded.control import CommandRefusedError, Control
from ticketgen.embedded.problems import DataUnusableError, EmbeddedServersError

__all__ = ["Identity", "IdentityChoice", "Whereabouts", "assume_identity", "copy_place"]

IdentityChoice = Literal["auto", "namespace", "plain", "setuid"]
Identity = Literal["namespace", "plain", "setuid"]

_READABLE = stat.S_IROTH | stat.S_IXOTH


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Where the servers, as the user they became, find what they need."""

    identity: Identity
    data: Path
    """Their folder as they see it; the same as ours unless `identity` is `setuid`."""
    binaries: Binaries


def assume_identity(
    control: Control, *, choice: IdentityChoice, data: Path, sockets: Path, binaries: Binaries
) -> Whereabouts:
    """Make the supervisor, and so the servers, a user Postgres accepts, and give it its folders.

    Raises:
        DataUnusableError: the folder holds what belongs to a third user.
        EmbeddedServersError: there is no acceptable user on this machine.
    """
    nobody = _named_user()
    _require_ours(data, allowed={os.geteuid(), nobody[0]} if _is_root() else {os.geteuid()})
    identity = choice if choice != "auto" else _preferred(control, nobody)
    if identity == "namespace" and choice != "auto":
        control.call("enter_namespace", uid=nobody[0], gid=nobody[1])
    owner = nobody if identity == "setuid" else (os.geteuid(), os.getegid())
    for folder in (data, sockets):
        _give(folder, *owner)
    if identity != "setuid":
        return Whereabouts(identity=identity, data=data, binaries=binaries)
    _require_way(data.parent)
    reachable = _reachable_copy(binaries, copy_place(sockets))
    answer = control.call("become", uid=nobody[0], gid=nobody[1], directory=str(data))
    return Whereabouts(identity=identity, data=Path(answer["path"]), binaries=reachable)


def copy_place(sockets: Path) -> Path:
    """Where binaries are copied to, if they have to be."""
    return sockets.with_name(f"{sockets.name}-bin")


def _preferred(control: Control, nobody: tuple[int, int]) -> Identity:
    if not _is_root() and _has_name(os.geteuid()):
        return "plain"
    try:
        control.call("enter_namespace", uid=nobody[0], gid=nobody[1])
    except CommandRefusedError as error:
        if _is_root():
            return "setuid"
        raise EmbeddedServersError(
            f"Postgres needs a user with a name; user id {os.geteuid()} has none here.",
            recovery_actions=["Add the user to /etc/passwd, or set TICKETGEN_DATABASE_URL."],
        ) from error
    return "namespace"


def _is_root() -> bool:
    return os.geteuid() == 0


def _has_name(uid: int) -> bool:
    import pwd  # absent on Windows, where the package must still import

    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _named_user() -> tuple[int, int]:
    """The user and group id of `nobody`, or of any other user that is not root."""
    import pwd  # as above

    entries = sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != "nobody")
    for entry in entries:
        if entry.pw_uid > 0:
            return entry.pw_uid, entry.pw_gid
    raise EmbeddedServersError(
        "Postgres does not run as root, and this machine has no other user.",
        recovery_actions=["Add a user, or set TICKETGEN_DATABASE_URL."],
    )


def _require_ours(data: Path, *, allowed: set[int]) -> None:
    owner = data.stat().st_uid
    if owner not in allowed:
        raise DataUnusableError(
            f"The servers' data in {data} belongs to another user (id {owner}).",
            recovery_actions=[
                "Run as that user, or choose another directory with TICKETGEN_DATA_DIR."
            ],
        )


def _require_way(directory: Path) -> None:
    """Only Linux can hand over a folder whose parents are closed to the user it is for."""
    if sys.platform != "linux" and not _is_reachable(directory):
        raise DataUnusableError(
            f"The servers cannot run as root, and no other user can reach {directory}.",
            recovery_actions=["Do not run as root, or set TICKETGEN_DATA_DIR to a public place."],
        )


def _give(folder: Path, uid: int, gid: int) -> None:
    """Hand our own folder over, with all in it; links are never followed."""
    if all(path.lstat().st_uid == uid for path in (folder, *folder.iterdir())):
        return
    for parent, names, files in os.walk(folder):
        for name in (*names, *files):
            os.chown(Path(parent) / name, uid, gid, follow_symlinks=False)
    # Last: a hand-over that was cut short is seen as not done, and is done again.
    os.chown(folder, uid, gid)


def _reachable_copy(binaries: Binaries, place: Path) -> Binaries:
    """The binaries themselves where everyone can run them, or a copy for everyone."""
    if _is_reachable(binaries.postgres / "bin") and _is_reachable(binaries.valkey.parent):
        return binaries
    place.mkdir(mode=0o755, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise DataUnusableError(
            f"{place} belongs to somebody else.", recovery_actions=["Remove it, and start again."]
        )
    place.chmod(0o755)
    packages = binaries.package.parent
    unused = shutil.ignore_patterns("*.a", "include", "pkgconfig")
    # The wheel's shared libraries lie beside its package, found by paths relative to the binary.
    for source in (binaries.postgres, *packages.glob(f"{binaries.package.name}.libs")):
        inside = place / source.relative_to(packages)
        shutil.copytree(source, inside, dirs_exist_ok=True, symlinks=True, ignore=unused)
    shutil.copy2(binaries.valkey, place / binaries.valkey.name)
    return Binaries(
        postgres=place / binaries.postgres.relative_to(packages),
        valkey=place / binaries.valkey.name,
    )


def _is_reachable(path: Path) -> bool:
    places = (path.resolve(), *path.resolve().parents)
    return all(place.stat().st_mode & _READABLE == _READABLE for place in places)
