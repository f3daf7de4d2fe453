"""Who is measured, and how is each started?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CONTENDERS", "Contender", "named"]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One queue in one setting."""

    key: str
    """What the command line calls it."""
    title: str
    program: str
    """The module of `benchmarks.queues.peers` that is its worker and its feeder."""
    environment: str | None
    """Of `environments.PINNED`; None: ours, the interpreter that runs this."""
    variant: Mapping[str, Any] = field(default_factory=dict)
    """What its worker is given besides the address and how many jobs it may run at once."""
    durable: bool = False
    """Whether its jobs live in Postgres."""


CONTENDERS = {
    contender.key: contender
    for contender in (
        Contender(key="ours", title="ours, transport", program="transport", environment=None),
        Contender(
            key="durable",
            title="ours, durable",
            program="durable",
            environment=None,
            durable=True,
        ),
        Contender(
            key="progress",
            title="ours, durable, with progress",
            program="durable",
            environment=None,
            variant={"progress": True},
            durable=True,
        ),
        Contender(key="arq", title="arq, defaults", program="arq", environment="arq"),
        Contender(
            key="arq-fast",
            title="arq, poll 0.05 s",
            program="arq",
            environment="arq",
            variant={"poll_delay": 0.05},
        ),
        Contender(
            key="arq-bare",
            title="arq, poll 0.05 s, no results",
            program="arq",
            environment="arq",
            variant={"poll_delay": 0.05, "keep_result": 0},
        ),
        Contender(
            key="arq-short",
            title="arq, jobs of at most 10 s",
            program="arq",
            environment="arq",
            variant={"job_timeout": 10},
        ),
        Contender(key="saq", title="SAQ", program="saq", environment="saq"),
        Contender(key="taskiq", title="Taskiq, list", program="taskiq", environment="taskiq"),
        Contender(key="streaq", title="streaQ", program="streaq", environment="streaq"),
        Contender(key="dramatiq", title="Dramatiq", program="dramatiq", environment="dramatiq"),
        Contender(
            key="procrastinate",
            title="Procrastinate",
            program="procrastinate",
            environment="procrastinate",
            durable=True,
        ),
    )
}
"""By their keys. Where a peer has results by default, it keeps them, as ours does not."""


def named(keys: Sequence[str]) -> list[Contender]:
    """The contenders with these keys.

    Raises:
        ValueError: there is none of that name.
    """
    unknown = [key for key in keys if key not in CONTENDERS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: there is {', '.join(CONTENDERS)}")
    return [CONTENDERS[key] for key in keys]
