"""A stranger's writer that costs something: it counts its calls, and fails when told to."""

from __future__ import annotations

SCRIBE = """
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

from ticketgen import Plugin, hookimpl
from ticketgen.provides import OpenWriter, Usage, Writer, WriterHealth, WritingEstimate, WrittenText

CALLS = []
FACTS = []
PROBLEMS = {}
VERSION = ["1"]
CONCURRENCY = [1]
HEALTH = [WriterHealth(ready=True, message="Here.")]
CHECKS = []


async def write(brief):
    component, site = brief.component, brief.site
    CALLS.append(component.key)
    FACTS.append((component.name, site.project_name, site.description))
    problem = PROBLEMS.pop(len(CALLS), None)
    if problem is not None:
        await problem()
    number = len(CALLS)
    return WrittenText(
        user_story=f"Story {number}.",
        success_criteria=(f"Done {number}.",),
        usage=Usage(model="m", requests=1, input_tokens=10, output_tokens=5, cost=Decimal("0.5")),
    )


@asynccontextmanager
async def opened(settings):
    yield OpenWriter(write=write, version=VERSION[0], concurrency=CONCURRENCY[0])


async def check(settings):
    CHECKS.append(settings)
    return HEALTH[0]


def estimate(settings, briefs):
    return WritingEstimate(
        input_tokens=10 * len(briefs),
        output_tokens=5 * len(briefs),
        cost=Decimal("0.5") * len(briefs),
        duration=timedelta(seconds=len(briefs)),
    )


@hookimpl
def ticketgen_plugin():
    writer = Writer(
        name="scribe", summary="Counts.", open=opened, paid=True, check=check, estimate=estimate
    )
    return Plugin(name="scribe", summary="Brings a writer.", provides=(writer,))
"""
