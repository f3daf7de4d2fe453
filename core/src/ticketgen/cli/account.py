"""An account of our own on a local system: a user, and a token that is good."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from ticketgen.domain import audit, tokens
from ticketgen.domain.users import Role, User, create_user, get_user_by_name
from ticketgen.errors import AuthenticationError, NotFoundError
from ticketgen.runtime import open_runtime
from ticketgen.settings import Settings
from ticketgen.starting import UnitOfWork

__all__ = ["local_token", "temporary_token"]

_LOCAL_USER = "local"


async def temporary_token(settings: Settings) -> str:
    """A token for a system that is thrown away afterwards."""
    async with open_runtime(settings) as runtime, runtime.unit_of_work() as unit:
        user = await create_user(unit.db, name="demo", role=Role.MEMBER)
        _, secret = await tokens.create_token(
            unit.db, user=user, name="demo", lifetime=timedelta(hours=4)
        )
    return secret


async def local_token(settings: Settings, path: Path) -> str:
    """The token in the file, if it is still good; else a new one, which is put there.

    It belongs to the administrator `local`, and only the file's owner can read it.
    """
    async with open_runtime(settings) as runtime, runtime.unit_of_work() as unit:
        kept = await _kept(unit, path)
        if kept is not None:
            return kept
        token, secret = await tokens.create_token(
            unit.db,
            user=await _local_user(unit),
            name="ticketgen up",
            lifetime=settings.token_lifetime,
        )
        audit.record(unit.db, "token.created", subject=token.id, details={"user": _LOCAL_USER})
    _write_privately(path, secret)
    return secret


async def _kept(unit: UnitOfWork, path: Path) -> str | None:
    try:
        secret = _read(path)
        await tokens.authenticate(unit.db, secret)
    except (OSError, UnicodeError, AuthenticationError):
        return None
    return secret


def _read(path: Path) -> str:
    secret = path.read_text().strip()
    path.chmod(0o600)
    return secret


async def _local_user(unit: UnitOfWork) -> User:
    try:
        return await get_user_by_name(unit.db, _LOCAL_USER)
    except NotFoundError:
        return await create_user(unit.db, name=_LOCAL_USER, role=Role.ADMIN)


def _write_privately(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
