"""The host's own figures, as the same values that plugins contribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib.metadata import version

from ticketgen.api.exposition import exposed
from ticketgen.domain import backlog, workers
from ticketgen.domain.task_runs import ACTIVE_STATES, RunState
from ticketgen.plugin import CONTRACT_VERSION
from ticketgen.provides import HealthContext, Metric
from ticketgen.registry import Registry
from ticketgen.streams.service import Streams

__all__ = ["host_metrics", "stream_figures"]

_RECENTLY = timedelta(hours=1)


def host_metrics(registry: Registry) -> tuple[Metric, ...]:
    """The figures of runs, backlog, workers and plugins; their settings are the host's."""
    return (*_of_runs(registry), *_OF_WORK, *_of_plugins(registry))


def stream_figures(streams: Streams) -> str:
    """What this process counts of its streams, in the text format of Prometheus."""
    hub, tally = streams.hub, streams.tally
    trouble = float(hub.trouble is not None)
    return "".join(
        exposed(name, summary, value)
        for name, summary, value in (
            ("ticketgen_stream_clients", "Clients that follow a stream here.", hub.listener_count),
            ("ticketgen_stream_channels", "Channels that they follow.", hub.channel_count),
            ("ticketgen_stream_deaf", "1 while progress does not arrive here.", trouble),
            ("ticketgen_stream_messages_sent", "Messages sent to clients.", tally.sent),
            (
                "ticketgen_stream_messages_coalesced",
                "Progress left out for slow clients, since newer progress followed.",
                tally.coalesced,
            ),
            (
                "ticketgen_stream_overflows",
                "Clients told to come back because they did not keep up.",
                tally.overflows,
            ),
            (
                "ticketgen_stream_resyncs",
                "Times a client was told that what it missed is no longer kept.",
                tally.resyncs,
            ),
            (
                "ticketgen_stream_reconnects",
                "Times the subscription to Redis was made anew.",
                tally.reconnects,
            ),
            (
                "ticketgen_stream_gaps",
                "Times messages that were not heard were fetched from what is kept.",
                tally.gaps,
            ),
        )
    )


async def _due(context: HealthContext) -> float:
    return (await backlog.count_backlog(context.db)).due


async def _oldest(context: HealthContext) -> float:
    return (await backlog.count_backlog(context.db)).oldest.total_seconds()


async def _workers(context: HealthContext) -> float:
    return len(await _live(context))


async def _slots(context: HealthContext) -> Mapping[tuple[str, ...], float]:
    live = await _live(context)
    busy = sum(worker.running for worker in live)
    return {("busy",): busy, ("free",): sum(worker.max_jobs for worker in live) - busy}


async def _live(context: HealthContext) -> list[workers.WorkerProcess]:
    return await workers.list_live_workers(context.db, expiry=context.settings.heartbeat_expiry)


def _of_runs(registry: Registry) -> tuple[Metric, ...]:
    """With a 0 for what there is none of: an alert cannot be made of a figure that is not there."""

    async def active(context: HealthContext) -> Mapping[tuple[str, ...], float]:
        return _none_of(registry, ACTIVE_STATES) | await backlog.count_active_runs(context.db)

    async def settled(context: HealthContext) -> Mapping[tuple[str, ...], float]:
        ends = [state for state in RunState if state not in ACTIVE_STATES]
        counted = await backlog.count_settled_runs(context.db, within=_RECENTLY)
        return _none_of(registry, ends) | counted

    return (
        Metric(
            name="ticketgen_runs",
            summary=f"Active runs; counted as far as {backlog.COUNTED}.",
            read=active,
            labels=("task_type", "state"),
        ),
        Metric(
            name="ticketgen_runs_settled_last_hour",
            summary=f"Runs started in the last hour that have ended; the latest {backlog.COUNTED}.",
            read=settled,
            labels=("task_type", "state"),
        ),
    )


def _none_of(registry: Registry, states: Iterable[RunState]) -> dict[tuple[str, ...], float]:
    return {(name, str(state)): 0 for name in registry.tasks for state in states}


def _of_plugins(registry: Registry) -> tuple[Metric, ...]:
    async def plugins(context: HealthContext) -> Mapping[tuple[str, ...], float]:
        return {(found.name, str(found.status)): 1 for found in registry.plugins}

    async def build(context: HealthContext) -> Mapping[tuple[str, ...], float]:
        return {(version("ticketgen-core"), CONTRACT_VERSION): 1}

    return (
        Metric(
            name="ticketgen_plugins",
            summary="1 for every installed plugin, as it stands in the process that answers.",
            read=plugins,
            labels=("plugin", "status"),
        ),
        Metric(
            name="ticketgen_build_info",
            summary="1, with the versions of the host and of its contract with plugins.",
            read=build,
            labels=("version", "contract"),
        ),
    )


_OF_WORK = (
    Metric(
        name="ticketgen_backlog_due_runs",
        summary=f"Runs that a worker could take now; counted as far as {backlog.COUNTED}.",
        read=_due,
    ),
    Metric(
        name="ticketgen_backlog_oldest_seconds",
        summary="How long the oldest of them has been free to be taken; 0 if there is none.",
        read=_oldest,
    ),
    Metric(name="ticketgen_workers", summary="Worker processes heard of just now.", read=_workers),
    Metric(
        name="ticketgen_worker_slots",
        summary="Runs that live workers have in hand (busy), and could take besides (free).",
        read=_slots,
        labels=("state",),
    ),
)
