"""The sheet of work that no part of a Drupal specification names: training, a rehearsal."""

from __future__ import annotations

from ticketgen.provides import Column, CsvType

__all__ = ["CHORES"]

CHORES = CsvType(
    name="chores",
    label="Chore",
    entity_group="Chores",
    file_stems=("chores", "chore"),
    title_column="Chore",
    machine_name_column="Machine name",
    columns=(
        Column(name="Chore", required=True),
        Column(name="Machine name"),
        Column(name="What is done"),
    ),
)
