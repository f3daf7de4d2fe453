"""Keepers of leases for tests: brisk ones, whose process does not really end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ticketgen.leases import LeaseKeeper, WorkerIdentity
from ticketgen.offering import Offer
from ticketgen.runner import Runner
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

__all__ = ["brisk_settings", "keeper"]

_OFFER = Offer(task_types=("lab",), plugins={"lab": "7"}, failed={})


def keeper(runtime: Runtime, runner: Runner, exits: list[int], **more: Any) -> LeaseKeeper:
    """What would end the process is written to `exits`."""
    return LeaseKeeper(
        settings=runtime.settings,
        worker=WorkerIdentity(id=runner.worker_id, max_jobs=2),
        offer=lambda: _OFFER,
        hands=runner.hands,
        settler=runtime.settler,
        exit_process=exits.append,
        **more,
    )


def brisk_settings(settings: Settings) -> Settings:
    """Settings of a host that renews often; no machine is so slow that a lease runs out."""
    return settings.model_copy(
        update={
            "lease": timedelta(minutes=10),
            "lease_renewal": timedelta(seconds=0.2),
            "lease_patience": timedelta(minutes=5),
            "cancel_interval": timedelta(seconds=0.1),
            "heartbeat_interval": timedelta(seconds=0.5),
            "heartbeat_expiry": timedelta(minutes=5),
        }
    )
