from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ticketgen.api.exposition import exposed


def _read(text: str) -> dict[tuple[str, ...], float]:
    [family] = text_string_to_metric_families(text)
    assert family.type == "gauge"
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_a_number_is_a_gauge_without_labels() -> None:
    text = exposed("acme_bells", "Bells\nthat ring \\o/", 3)

    assert _read(text) == {(): 3.0}
    assert text.splitlines()[0] == r"# HELP acme_bells Bells\nthat ring \\o/"


def test_any_text_can_be_the_value_of_a_label() -> None:
    odd = 'a "b" \\ c\nd é {x="y"}'

    text = exposed("acme_bells", "Bells.", {(odd,): 1, ("\x00\ud800",): 2.5}, labels=("tower",))

    assert _read(text) == {(odd,): 1.0, ("\ufffd\ufffd",): 2.5}


@pytest.mark.parametrize("answer", [None, "3", True, Decimal(3), {("a",): "3"}, {"a": 1}, [1]])
def test_what_is_no_number_is_refused(answer: Any) -> None:
    labels = ("tower",) if isinstance(answer, dict) else ()

    with pytest.raises(TypeError):
        exposed("acme_bells", "Bells.", answer, labels=labels)


@pytest.mark.parametrize("answer", [1, {(): 1}, {("a",): 1}, {("a", "b", "c"): 1}])
def test_numbers_that_do_not_fit_the_labels_are_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="for the labels"):
        exposed("acme_bells", "Bells.", answer, labels=("tower", "tone"))


def test_a_label_with_a_thousand_values_is_the_most() -> None:
    many = {(str(number),): number for number in range(1_001)}

    with pytest.raises(ValueError, match="1001 tuples"):
        exposed("acme_bells", "Bells.", many, labels=("tower",))
