from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.cli.prompting import SHEETS, Prompt

pytestmark = pytest.mark.services


async def test_sheets_are_sent_corrected_fetched_and_taken_away(
    prompt: Prompt, specification: Path
) -> None:
    session = await prompt.session()
    single = specification / "My fields.csv"
    (specification / "Fields.csv").rename(single)

    sent = await prompt.json(
        "upload", "files", session, str(specification), "--type", "My fields.csv=fields"
    )
    listed = await prompt.said("upload", "list", session)
    corrected = await prompt.said("upload", "type", session, "My fields.csv", "bundles")
    types = {
        item["file_name"]: item["csv_type"] for item in await prompt.json("upload", "list", session)
    }
    by_id = next(item["id"] for item in sent["uploads"] if item["file_name"] == "My fields.csv")
    out = specification / "out/again.csv"
    await prompt.said("upload", "content", session, by_id, "--out", str(out))
    piped = await prompt.done("upload", "content", session, "Bundles.csv")
    spared = await prompt.refused("upload", "remove", session, "Bundles.csv", "Nothing.csv")
    removed = await prompt.done("upload", "remove", session, "Bundles.csv", by_id)
    left = await prompt.done("upload", "list", session)

    assert len(sent["uploads"]) == 2
    assert "My fields.csv  fields   3 rows" in listed
    assert "My fields.csv  bundles" in corrected
    assert types == {"Bundles.csv": "bundles", "My fields.csv": "bundles"}
    assert out.read_bytes() == SHEETS["Fields.csv"]
    assert piped.stdout_bytes == SHEETS["Bundles.csv"]
    assert "no file 'Nothing.csv'" in spared
    assert "2 files removed" in removed.stderr
    assert "no files" in left.stderr


async def test_what_cannot_be_read_is_refused_with_every_problem_of_every_file(
    prompt: Prompt, tmp_path: Path
) -> None:
    session = await prompt.session()
    for name in ("Photo.csv", "[red]Drawing.csv"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(90))
    (tmp_path / "Bundles.csv").write_bytes(SHEETS["Bundles.csv"])
    empty = tmp_path / "empty"
    empty.mkdir()

    refused = await prompt.refused("upload", "files", session, str(tmp_path))
    nothing = await prompt.refused("upload", "files", session, str(empty))
    nowhere = await prompt.refused("upload", "files", session, str(tmp_path / "nowhere.csv"))
    untyped = await prompt.refused(
        "upload", "files", session, str(tmp_path / "Bundles.csv"), "--type", "no_such_type"
    )
    twice = await prompt.done("upload", "files", session, str(tmp_path), "--type", "=fields")
    listed = await prompt.json("upload", "list", session)

    assert "error   [red]Drawing.csv" in refused
    assert "error   Photo.csv" in refused
    assert "→" in refused
    assert "has no .csv or .xlsx files" in nothing
    assert "is not there" in nowhere
    assert "no_such_type" in untyped
    assert twice.exit_code == 2
    assert listed == []
