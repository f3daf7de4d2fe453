from __future__ import annotations

import pytest

from ticketgen.migrations.ownership import CORE, owner_of

PLUGINS = {"acme", "acme_labels", "session"}


@pytest.mark.parametrize(
    ("table", "owner"),
    [
        ("acme", "acme"),
        ("acme_pages", "acme"),
        ("acme_schema", "acme"),
        ("acme_labels", "acme_labels"),
        ("acme_labels_texts", "acme_labels"),
        ("acme_labels_schema", "acme_labels"),
        ("acmetric", CORE),
        ("session_notes", "session"),
        ("session_tasks", CORE),
        ("sessions", CORE),
        ("ticketgen_schema", CORE),
    ],
)
def test_a_table_is_the_hosts_or_the_plugins_whose_name_fits_best(table: str, owner: str) -> None:
    assert owner_of(table, PLUGINS) == owner
