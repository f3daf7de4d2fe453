"""What a call to a Jira site needs, and who gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Access", "AccessSource"]


@dataclass(frozen=True, kw_only=True)
class Access:
    """One user's access to one site, good for now."""

    api_url: str
    """What REST paths are appended to: `f"{api_url}/rest/api/3/…"`."""
    site_url: str
    """The site as people see it, for links: `f"{site_url}/browse/HM-12"`."""
    authorization: str = field(repr=False)
    """The value of the header `Authorization`."""
    scopes: frozenset[str] | None
    """What OAuth has granted; None for an API token, which may do what its user may."""
    is_second: bool = field(default=False, compare=False)
    """Whether it was given in place of a refused one: if it is refused too, the site is asked."""


class AccessSource(Protocol):
    """Gives access to one connection, and renews it when it runs out."""

    async def current(self) -> Access:
        """The access, renewed first if it is about to expire.

        Raises:
            ConnectionLostError: it cannot be renewed; its user has to connect again.
            TemporaryError: whoever renews it does not answer.
        """
        ...

    async def renewed(self, refused: Access) -> Access:
        """Another access in place of one that was answered with 401.

        Raises:
            ConnectionLostError: there is none; its user has to connect again.
            TemporaryError: whoever renews it does not answer.
        """
        ...
