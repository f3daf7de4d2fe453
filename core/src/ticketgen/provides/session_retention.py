"""The port through which a plugin that deletes sessions says for how long it keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

__all__ = ["SessionRetention"]


@dataclass(frozen=True, kw_only=True)
class SessionRetention:
    """How long a session that nobody works on is there before the plugin deletes it.

    People are told of it (`expires_at`) before it happens. Where several plugins delete sessions
    the shortest counts; where none does, sessions are kept for ever.
    """

    name: str
    """What deletes them: the name of a task, or of a part of the plugin."""
    summary: str
    period: Callable[[Any], timedelta]
    """Reads it from the plugin's settings: a plain function that waits for nothing."""
