"""A bundle of 500 fields on its way: validated and sent in short, with the whole text beside it."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.plugins import journeys
from ticketgen.testing import Api

pytestmark = pytest.mark.services

FIELDS = "".join(
    f"Article (Content type),Field {number},field_{number},Text (plain),{f'notes {number} ' * 5}\n"
    for number in range(500)
)
SHEETS = {
    "Bundles.csv": b"Name,Machine name,Type\nArticle,article,Content type\n",
    "Fields.csv": ("Bundle,Field label,Machine name,Field type,Settings/notes\n" + FIELDS).encode(),
}


async def test_a_ticket_that_is_too_long_is_exported_in_short_with_the_whole_beside_it(
    api: Api,
) -> None:
    session_id = await journeys.validated(api, SHEETS)
    [ticket] = await journeys.tickets(api, session_id)

    await journeys.do(api, "export", session_id)

    files = await journeys.exported(api, session_id)
    [line] = [json.loads(line) for line in files["tickets.jsonl"].splitlines()]
    [row] = csv.DictReader(io.StringIO(files["jira-import.csv"].decode("utf-8-sig")))
    document = json.loads(files[line["reference"]])
    [table] = [
        block
        for block in document["content"]
        if block["type"] == "table" and len(block["content"][0]["content"]) > 2
    ]
    attached = "adf/0001-bundles-content-type-article.md"
    assert len(ticket["description"]) > 30_000
    assert line["attachments"] == [attached]
    assert files[attached].decode() == ticket["description"]
    assert len(line["description"]) < 30_000
    assert "more rows are in the attached file" in line["description"]
    assert 100 < len(table["content"]) < 500
    assert "field_499" not in row["Description"]
    assert row["Description"].endswith(f"by hand: {attached}")
    assert len(row["Description"]) < 32_767
