from __future__ import annotations

import pytest

from ticketgen.migrations.ownership import CORE, owner_of

PLUGINS = {
    "acme": {"acme_pages", "acme_labels_of_pages", "acme_labels_shared"},
    "acme_labels": {"acme_labels_shared"},
    "session": {"session_tasks"},
}
"""Each with the tables of its models."""


@pytest.mark.parametrize(
    ("table", "owner"),
    [
        ("acme", "acme"),
        ("acme_pages", "acme"),
        ("acme_schema", "acme"),
        ("acme_labels", "acme_labels"),
        ("acme_labels_texts", "acme_labels"),
        ("acme_labels_schema", "acme_labels"),
        ("acme_labels_of_pages", "acme"),
        ("acme_labels_shared", "acme_labels"),
        ("acmetric", CORE),
        ("session_notes", "session"),
        ("session_tasks", CORE),
        ("sessions", CORE),
        ("ticketgen_schema", CORE),
    ],
)
def test_a_table_is_the_hosts_or_the_plugins_whose_models_have_it_or_whose_name_fits_best(
    table: str, owner: str
) -> None:
    assert owner_of(table, PLUGINS) == owner
