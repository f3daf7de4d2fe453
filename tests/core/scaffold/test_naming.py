from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name

from ticketgen.conformance import check_identity
from ticketgen.errors import InvalidInputError
from ticketgen.scaffold import plugin_names


@pytest.mark.parametrize(
    "typed",
    [
        "acme-labels",
        "acme_labels",
        "acme.labels",
        "Acme Labels",
        "AcmeLabels",
        " acme--labels_ ",
        "ticketgen-acme-labels",
        "ticketgen_acme_labels",
    ],
)
def test_one_name_is_made_of_every_spelling(typed: str) -> None:
    names = plugin_names(typed)

    assert names.name == "acme_labels"
    assert names.distribution == "ticketgen-acme-labels"
    assert names.package == "ticketgen_acme_labels"
    assert names.prefix == "AcmeLabels"
    assert names.variables == "TICKETGEN_ACME_LABELS_"


@pytest.mark.parametrize("typed", ["ab", "a1_2b", "x" * 49, "a" * 24 + "_" + "b" * 24])
def test_what_is_made_is_a_name_for_the_host_for_pip_and_for_python(typed: str) -> None:
    names = plugin_names(typed)

    assert check_identity(names.name) == []
    assert canonicalize_name(names.distribution) == names.distribution
    assert names.package.isidentifier()
    assert names.prefix.isidentifier()


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "no valid plugin name"),
        ("a", "no valid plugin name"),
        ("7up", "no valid plugin name"),
        ("acme!", "no valid plugin name"),
        ("../acme", "no valid plugin name"),
        ("étiquettes", "no valid plugin name"),
        ("x" * 50, "no valid plugin name"),
        ("sessions", "reserved for the host"),
        ("ticketgen-core", "reserved for the host"),
        ("ticketgen", "reserved for the host"),
        ("Export", "installed already"),
    ],
)
def test_a_name_no_plugin_may_have_is_refused_with_the_reason(typed: str, why: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        plugin_names(typed, taken={"export"})

    assert why in refused.value.message
    assert repr(typed) in refused.value.message
    assert len(refused.value.recovery_actions) == 1
