"""How the database answers: no question reads a table that grows as a whole."""

from __future__ import annotations

from functools import partial

import pytest

from benchmarks.growth.filling import Shape, fill
from benchmarks.growth.plans import ask
from benchmarks.growth.questions import LEFT_OUT, QUESTIONS, WATCHED, functions_of_the_domain
from benchmarks.growth.sample import Sample
from ticketgen.runtime import Runtime

_SHAPE = Shape(rows=50_000)
"""So many that reading all of them is dearer than any index."""


@pytest.mark.services
@pytest.mark.timeout(300)
async def test_no_question_reads_a_table_that_grows_as_a_whole(
    runtime: Runtime, subtests: pytest.Subtests
) -> None:
    engine = runtime.engine
    await fill(engine, _SHAPE)

    for name, question in QUESTIONS.items():
        with subtests.test(name):
            asked = await ask(engine, partial(question, at=Sample(shape=_SHAPE)))

            assert asked.statements
            assert [
                scan.table for scan in asked.scans if scan.is_sequential and scan.table in WATCHED
            ] == []


def test_every_function_of_the_domain_is_asked_or_left_out_for_a_reason() -> None:
    asked = {
        name if "." in name else f"{question.partition('.')[0]}.{name}"
        for question in QUESTIONS
        for name in question.partition(" (")[0].split(", ")
    }

    assert set(functions_of_the_domain()) - asked == set(LEFT_OUT)
