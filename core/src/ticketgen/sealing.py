"""Seals what must be kept readable for us alone, with keys that can be changed one after another.

A key is one of Fernet: AES-128-CBC and HMAC-SHA256 with an authentic time stamp. The first key
seals, every key opens; a key that was replaced stays in the list until nothing is sealed with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["KeyRing", "NotOpenedError", "fingerprint", "is_key", "new_key"]

_KEY_BYTES = 32


class NotOpenedError(Exception):
    """No key at hand opens it, or it is damaged."""


def new_key() -> str:
    """A new random key, as Fernet writes them."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def is_key(text: str) -> bool:
    """Whether the text is a key: 32 bytes in URL-safe base64."""
    try:
        decoded = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return False
    return len(decoded) == _KEY_BYTES


def fingerprint(key: str) -> str:
    """What a key may be called where everybody can read it."""
    return hashlib.sha256(b"ticketgen secret key:" + key.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class KeyRing:
    """The keys of one process; empty where none was given."""

    keys: Sequence[str] = field(repr=False)

    @property
    def key_id(self) -> str:
        """The fingerprint of the key that seals; raises IndexError without a key."""
        return fingerprint(self.keys[0])

    @property
    def key_ids(self) -> frozenset[str]:
        """The fingerprints of all keys."""
        return frozenset(map(fingerprint, self.keys))

    def __bool__(self) -> bool:
        return bool(self.keys)

    def seal(self, content: bytes) -> bytes:
        """The content, readable with the first key only; raises ValueError without a key."""
        return self._fernets.encrypt(content)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed with any of the keys.

        Raises:
            NotOpenedError: with none of them, or it is damaged.
        """
        from cryptography.fernet import InvalidToken

        try:
            return self._fernets.decrypt(sealed)
        except InvalidToken:
            raise NotOpenedError from None

    @cached_property
    def _fernets(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet  # only a process with secrets needs it

        return MultiFernet([Fernet(key) for key in self.keys])
