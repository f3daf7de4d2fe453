"""The grammar's verdict is that of Atlassian's schema, but for the differences it lists."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest

from tests.plugins.adf_validation.boundaries import Place, altered, marks_of, places, worn
from tests.plugins.adf_validation.growing import SchemaGarden
from tests.plugins.adf_validation.mutating import mutated
from tests.plugins.adf_validation.official import (
    needs_official_schema,
    official_definitions,
    official_schema,
)
from tests.plugins.adf_validation.sprouting import sprouted
from tests.plugins.adf_validation.verdicts import disagreement
from ticketgen_adf_validation.checking import check_grammar
from ticketgen_adf_validation.grammar import DELIBERATE_DIFFERENCES

pytestmark = needs_official_schema

SCALE = float(os.getenv("TICKETGEN_ADF_PROOF", "1"))
"""Of random documents, so many times as many as usual."""

SLIPS = (0.0, 0.002, 0.01)
"""How often a turn of a grown document is wrong."""


@cache
def garden() -> SchemaGarden:
    return SchemaGarden(official_definitions())


@cache
def known_places() -> list[Place]:
    return places(garden())


def agree(documents: Iterable[Any]) -> Counter[bool]:
    """The verdicts of the schema, of which the grammar's must not differ."""
    schema = official_schema()
    verdicts: Counter[bool] = Counter()
    for document in documents:
        verdict = schema.is_valid(document)
        wrong = disagreement(document, verdict)
        assert wrong is None, (wrong, document)
        verdicts[verdict] += 1
    return verdicts


@pytest.mark.parametrize("seed", range(4))
def test_on_every_mark_in_every_place_alone_and_in_pairs(seed: int) -> None:
    marks = marks_of(garden())

    verdicts = agree(
        document for place in known_places()[seed::4] for document in worn(place, marks)
    )

    assert verdicts.total() > 10_000


@pytest.mark.parametrize("seed", range(2))
def test_on_every_boundary_of_every_kind_of_node(seed: int) -> None:
    each = list({place.kind: place for place in known_places()}.values())

    verdicts = agree(document for place in each[seed::2] for document in altered(garden(), place))

    assert verdicts.total() > 5_000


@pytest.mark.parametrize("seed", range(4))
def test_on_documents_grown_from_the_schema_with_and_without_slips(seed: int) -> None:
    rng = random.Random(seed)
    count = int(4_000 * SCALE)

    verdicts = agree(
        garden().grown(rng, levels=rng.choice([1, 2, 3, 4, 5, 6, 25]), slips=rng.choice(SLIPS))
        for _ in range(count)
    )

    assert min(verdicts.values()) > count // 10


def test_on_documents_grown_from_the_grammar_all_of_which_the_schema_accepts() -> None:
    rng = random.Random(5)
    count = int(3_000 * SCALE)

    verdicts = agree(sprouted(rng, levels=rng.choice([1, 2, 3, 4, 5, 6, 12])) for _ in range(count))

    assert verdicts == {True: count}


@pytest.mark.parametrize("seed", range(2))
def test_on_grown_documents_with_mutations(seed: int) -> None:
    rng = random.Random(seed)
    count = int(4_000 * SCALE)

    verdicts = agree(
        mutated(sprouted(rng, levels=rng.randint(1, 4)), rng.randrange(2**32)) for _ in range(count)
    )

    assert min(verdicts.values()) > count // 10


def test_each_difference_that_is_meant_is_one() -> None:
    paragraph = {"type": "paragraph"}
    task = {"localId": "t", "state": "TODO"}
    blocks = {"type": "blockTaskItem", "attrs": task, "content": [paragraph, paragraph, None]}
    crowded = {"type": "taskList", "attrs": {"localId": "l"}, "content": [blocks]}
    synced = {
        "type": "bodiedSyncBlock",
        "attrs": {"localId": "s", "resourceId": "r"},
        "content": [{**paragraph, "marks": ["anything"]}],
    }

    documents = {
        name: {"version": 1, "type": "doc", "content": [block]}
        for name, block in {"blockTaskItem": crowded, "bodiedSyncBlock": synced}.items()
    }

    assert documents.keys() == DELIBERATE_DIFFERENCES.keys()
    assert agree(documents.values()) == {True: 2}
    assert all(check_grammar(document) for document in documents.values())
