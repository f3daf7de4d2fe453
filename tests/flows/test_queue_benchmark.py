from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.queues.contenders import CONTENDERS, named
from benchmarks.queues.environments import PINNED
from benchmarks.queues.report import Column, Table
from benchmarks.queues.summary import summary
from benchmarks.queues.turns import Series
from tests.flows.commands import environment
from tests.rules.tree import ROOT


@pytest.mark.services
def test_the_benchmark_of_queues_counts_what_both_of_ours_have_done(tmp_path: Path) -> None:
    found = tmp_path / "found.json"

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.queues", "twenty", "--contenders", "ours"),
            *("durable", "--repeat", "1", "--jobs", "20", "--json", str(found)),
        ],
        cwd=ROOT,
        env=environment("queues"),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    (table,) = json.loads(found.read_text())["tables"]
    assert [row["failures"] for row in table["rows"]] == [[], []], ended.stderr
    assert all(row["middle"]["jobs_per_second"] > 0 for row in table["rows"])
    assert all(row["middle"]["worker_commands"] > 0 for row in table["rows"])


def test_every_peer_has_a_program_and_an_environment() -> None:
    programs = ROOT / "benchmarks" / "queues" / "peers"

    assert all((programs / f"{each.program}.py").is_file() for each in CONTENDERS.values())
    assert {each.environment for each in CONTENDERS.values()} == {None, *PINNED}


def test_a_table_shows_the_middle_of_all_rounds_and_how_many_times_more_ours_is() -> None:
    ours, theirs = named(["ours", "arq"])
    table = Table(
        title="jobs",
        columns=(Column(name="speed", title="jobs/s", ratio=True),),
        rows=[_series(ours, 10, 30, 20), _series(theirs, 5, 1, 8)],
    )

    text = table.as_text()

    assert "| ours, transport | 20 | 1.00 |" in text
    assert "| arq, defaults | 5 | 4.00 |" in text


def test_a_peer_that_failed_is_said_below_the_table() -> None:
    ours, theirs = named(["ours", "saq"])
    failed = Series(contender=theirs, failures=["SAQ (worker) has ended"])
    columns = (Column(name="speed", title="jobs/s", ratio=True),)
    table = Table(title="jobs", columns=columns, rows=[_series(ours, 10), failed])

    text = table.as_text()

    assert "| SAQ | – | – |" in text
    assert "- failed: SAQ (worker) has ended" in text


def test_the_summary_has_a_row_for_everybody_who_was_measured(tmp_path: Path) -> None:
    rows = [
        {"contender": "ours", "middle": {"p50": 2.5, "p99": 9.0, "idle_commands": 0.5}},
        {"contender": "saq", "middle": {}},
    ]
    (tmp_path / "pickup.json").write_text(json.dumps({"tables": [{"rows": rows}]}))

    text = summary(tmp_path)

    assert "| ours, transport | – / – | – | – / – | 2.5 / 9.0 | 0.5 |" in text
    assert "SAQ" not in text


def test_an_unknown_contender_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ValueError, match="celery: there is ours, durable"):
        named(["celery"])


def _series(contender: Any, *speeds: float) -> Series:
    return Series(contender=contender, measured=[{"speed": speed} for speed in speeds])
