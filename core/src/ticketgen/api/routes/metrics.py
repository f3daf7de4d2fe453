"""The figures of the host and of every plugin, for a Prometheus to scrape."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import structlog
from fastapi import APIRouter, Request, Response

from ticketgen.api.asking import Question, Silence, ask_all
from ticketgen.api.deps import CurrentUser, problem_responses
from ticketgen.api.exposition import CONTENT_TYPE, exposed
from ticketgen.api.figures import host_metrics, stream_figures
from ticketgen.api.host import HostRuntime
from ticketgen.provides import HealthContext, Metric

__all__ = ["router"]

router = APIRouter(tags=["health"])

_log = structlog.get_logger(__name__)

_HOST = "ticketgen"
"""Whose the host's own figures are; no plugin may have that name."""

_EXAMPLE = """\
# HELP ticketgen_workers Worker processes heard of just now.
# TYPE ticketgen_workers gauge
ticketgen_workers 2.0
"""


class _PlainText(Response):
    media_type = CONTENT_TYPE


@router.get(
    "/metrics",
    response_class=_PlainText,
    responses={
        **problem_responses(),
        200: {
            "description": "Figures in the text format of Prometheus.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
    },
)
async def read_metrics(request: Request, runtime: HostRuntime, user: CurrentUser) -> Response:
    """Read the figures of the host and of every plugin in use, in Prometheus' text format.

    Any token may read them. Those of streams are of the process that answers. A figure that cannot
    be read is left out, and `ticketgen_metric_failures` names it.
    """
    owned = [(_HOST, metric) for metric in host_metrics(runtime.registry)]
    owned += runtime.registry.owned(Metric)
    questions = [
        Question(
            plugin=plugin,
            name=metric.name,
            settings=runtime.settings if plugin == _HOST else runtime.registry.settings.get(plugin),
            ask=partial(_read, metric),
        )
        for plugin, metric in owned
    ]
    answers = await ask_all(runtime, questions, kind="metric")
    failed = dict[tuple[str, ...], bool]()
    for question, answer in zip(questions, answers, strict=True):
        failed[question.plugin, question.name] = isinstance(answer, Silence)
        if isinstance(answer, Silence):
            _log.warning(
                "metric_failed",
                plugin=question.plugin,
                metric=question.name,
                remark=answer.remark,
                error=answer.cause,
            )
    lines = [answer for answer in answers if not isinstance(answer, Silence)]
    of_streams = stream_figures(request.app.state.streams)
    return _PlainText("".join([*lines, of_streams, _failures(failed)]))


async def _read(metric: Metric, context: HealthContext) -> str:
    answer = await metric.read(context)
    return exposed(metric.name, metric.summary, answer, labels=metric.labels)


def _failures(failed: Mapping[tuple[str, ...], bool]) -> str:
    return exposed(
        "ticketgen_metric_failures",
        "1 for every figure that could not be read just now; the log says why.",
        {names: float(is_failed) for names, is_failed in failed.items()},
        labels=("plugin", "metric"),
    )
