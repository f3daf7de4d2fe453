"""The port through which a plugin says whether what it needs is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

__all__ = ["HealthCheck", "HealthContext"]


@dataclass(frozen=True, kw_only=True)
class HealthContext:
    """What a health check may look at."""

    db: AsyncSession
    """A database session of its own, to look with: it is never committed."""
    settings: Any
    """The plugin's own settings, an instance of `Plugin.settings`."""


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """One thing a plugin needs, asked for at every `GET /health/ready`.

    `check` answers None if all is well, otherwise in a sentence what is wrong and what to do. It
    has two seconds, beside all other checks; one that raises or is late counts as not well. A
    plugin that is not well makes the system degraded, never unready: the rest goes on.
    """

    name: str
    """Shown as `{plugin}.{name}`."""
    check: Callable[[HealthContext], Awaitable[str | None]]
