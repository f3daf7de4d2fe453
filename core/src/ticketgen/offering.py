"""What a worker process offers at this moment, and what is out of use in it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ticketgen.registry import Registry

__all__ = ["Offer", "offer_of"]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a worker says of itself with every heartbeat."""

    task_types: tuple[str, ...]
    """Whose runs it takes."""
    plugins: Mapping[str, str]
    """The plugins these belong to: name → version of the distribution."""
    failed: Mapping[str, str]
    """The installed plugins that are out of use in it: name → reason."""


def offer_of(served: Registry) -> Offer:
    """What a worker offers that serves this registry, as its plugins stand now."""
    owners = {served.tasks[name].plugin.name for name in served.served}
    problems = {found.name: served.problem_of(found.name) for found in served.loaded}
    return Offer(
        task_types=served.served,
        plugins={name: served.version_of(name) for name in sorted(owners)},
        failed={name: problem.reason for name, problem in problems.items() if problem is not None},
    )
