"""The vault: where a plugin keeps secrets of other systems, sealed with the host's keys.

A secret is sealed together with its plugin, its name and its user. A row that was copied to
another place in the table does not open there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain import secrets
from ticketgen.domain.secrets import SecretName
from ticketgen.errors import AdminRequiredError, ConfigurationError, NotFoundError
from ticketgen.sealing import KeyRing, NotOpenedError

__all__ = ["Resealed", "SecretNotOpenedError", "Vault", "count_unopened", "reseal_batch"]

_FORMAT = 1


class SecretNotOpenedError(AdminRequiredError):
    """A secret is there and cannot be opened: its key is missing, or it is not in its place."""

    code = "secret_not_opened"


@dataclass(frozen=True, kw_only=True)
class Vault:
    """The secrets of one plugin; a user's, and those of the whole system (`user_id=None`)."""

    plugin: str
    keys: KeyRing

    async def keep(
        self,
        db: AsyncSession,
        name: str,
        value: str,
        *,
        user_id: UUID | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Seal a secret and keep it in this transaction, in the place of an earlier one.

        A month after `expires_at` it is deleted by the plugin `cleanup`.

        Raises:
            ConfigurationError: the host has no key; the message says how to make one.
        """
        self._require_key()
        called = SecretName(plugin=self.plugin, name=name, user_id=user_id)
        sealed = self.keys.seal(_packed(called, value))
        await secrets.put_secret(
            db, called, sealed=sealed, key_id=self.keys.key_id, expires_at=expires_at
        )

    async def read(self, db: AsyncSession, name: str, *, user_id: UUID | None = None) -> str:
        """The secret of that name.

        Raises:
            NotFoundError: there is none.
            ConfigurationError: the host has no key.
            SecretNotOpenedError: the host has other keys, or the row belongs elsewhere.
        """
        called = SecretName(plugin=self.plugin, name=name, user_id=user_id)
        sealed = await secrets.read_secret(db, called)
        if sealed is None:
            raise NotFoundError(
                f"The plugin {self.plugin!r} keeps no secret {name!r}.",
                recovery_actions=["Give it again, where it was asked for the first time."],
            )
        self._require_key()
        return _opened(self.keys, called, sealed)

    async def forget(self, db: AsyncSession, name: str, *, user_id: UUID | None = None) -> bool:
        """Delete a secret; whether there was one. Needs no key."""
        called = SecretName(plugin=self.plugin, name=name, user_id=user_id)
        return await secrets.delete_secret(db, called)

    def _require_key(self) -> None:
        if not self.keys:
            raise ConfigurationError(
                "Secrets of other systems can be neither kept nor read: no key is set.",
                recovery_actions=[
                    "Make one with `ticketgen secrets new-key`, and set it as "
                    "TICKETGEN_SECRET_KEYS for the API and every worker."
                ],
            )


@dataclass(frozen=True, kw_only=True)
class Resealed:
    """What came of one batch."""

    done: int
    damaged: int
    """So many would not open, though their key is at hand."""
    last: UUID | None
    """Where to go on; None if there is nothing more."""


async def reseal_batch(
    db: AsyncSession, keys: KeyRing, *, after: UUID | None = None, limit: int
) -> Resealed:
    """Seal with the first key what another key of the ring sealed: `limit` secrets, rows locked."""
    found = await secrets.lock_secrets_not_sealed_with(
        db, keys.key_id, among=keys.key_ids, after=after, limit=limit
    )
    damaged = 0
    for called, secret_id, sealed in found:
        try:
            value = _opened(keys, called, sealed)
        except SecretNotOpenedError:
            damaged += 1
        else:
            again = keys.seal(_packed(called, value))
            await secrets.reseal(db, secret_id, sealed=again, key_id=keys.key_id)
    return Resealed(
        done=len(found) - damaged, damaged=damaged, last=found[-1][1] if found else None
    )


async def count_unopened(db: AsyncSession, keys: KeyRing) -> int:
    """How many secrets are sealed with a key that is not at hand."""
    counted = await secrets.count_by_key(db)
    return sum(count for key_id, count in counted.items() if key_id not in keys.key_ids)


def _place(called: SecretName) -> list[Any]:
    return [called.plugin, called.name, str(called.user_id) if called.user_id else None]


def _packed(called: SecretName, value: str) -> bytes:
    # Fernet authenticates nothing beside the content, so the place goes into it.
    return json.dumps({"format": _FORMAT, "place": _place(called), "value": value}).encode()


def _opened(keys: KeyRing, called: SecretName, sealed: bytes) -> str:
    try:
        content = json.loads(keys.open(sealed))
    except NotOpenedError:
        raise SecretNotOpenedError(
            f"A secret of the plugin {called.plugin!r} is sealed with a key that is missing here.",
            recovery_actions=[
                "Add the key it was sealed with to TICKETGEN_SECRET_KEYS, after the first one; "
                "`ticketgen secrets status` names it by its fingerprint.",
                "If the key is lost, connect the account again.",
            ],
        ) from None
    if content["place"] != _place(called):
        raise SecretNotOpenedError(
            f"A secret of the plugin {called.plugin!r} was sealed for another plugin, name or "
            "user: its row was moved or copied in the database.",
            recovery_actions=[
                "Find out who changes the database by hand, and connect the account again."
            ],
        )
    value: str = content["value"]
    return value
