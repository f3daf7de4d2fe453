"""No Markdown that a person pastes is turned into a document that is wrong, or loses a word."""

from __future__ import annotations

import json
import os
import random
import re

import pytest

from tests.plugins.adf_validation.pasting import damaged, pasted
from tests.plugins.adf_validation.reading import assert_sound
from tests.plugins.adf_validation.specification import specification_examples
from ticketgen_adf_validation.converting import markdown_to_adf

SCALE = float(os.getenv("TICKETGEN_ADF_PROOF", "1"))
"""So many times as many random texts as usual."""


def missing_words(words: list[str], markdown: str) -> list[str]:
    """The words that stand nowhere in the document, neither as text nor in an address."""
    present = set(re.findall(r"w\d+x", json.dumps(markdown_to_adf(markdown))))
    return [word for word in words if word not in present]


@pytest.mark.parametrize("seed", range(5))
def test_pasted_markdown_keeps_every_word_that_was_written(seed: int) -> None:
    rng = random.Random(seed)

    for _ in range(int(800 * SCALE)):
        markdown, words = pasted(rng)
        assert missing_words(words, markdown) == [], repr(markdown)
        try:
            assert_sound(markdown)
        except AssertionError as error:
            raise AssertionError(repr(markdown)) from error


@pytest.mark.parametrize("seed", range(5))
def test_damaged_markdown_becomes_a_valid_document_without_losing_a_word(seed: int) -> None:
    rng = random.Random(100 + seed)

    for _ in range(int(800 * SCALE)):
        markdown = damaged(pasted(rng)[0], rng)
        try:
            assert_sound(markdown)
        except AssertionError as error:
            raise AssertionError(repr(markdown)) from error


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("name", "fewest"), [("commonmark.txt", 650), ("gfm.txt", 670)])
def test_every_example_of_a_specification_becomes_a_valid_document_without_losing_a_word(
    name: str, fewest: int, pytestconfig: pytest.Config
) -> None:
    examples = specification_examples(pytestconfig.cache, name)

    assert len(examples) >= fewest
    for example in examples:
        try:
            assert_sound(example)
        except AssertionError as error:
            raise AssertionError(repr(example)) from error
