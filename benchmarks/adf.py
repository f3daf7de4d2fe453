"""What the validation of 300 tickets costs, beside parsing their Markdown and a schema's validator.

The descriptions are those that the sheets of the sample become, or of another folder, taken over
and over until there are enough. Every step runs over the same tickets in the same process, in
turns, and the median of its CPU seconds is told. `schema` needs Atlassian's schema in a file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from time import process_time
from typing import Any

import jsonschema_rs
from markdown_it import MarkdownIt

from ticketgen.provides import AdfCheck, SiteContext
from ticketgen.sample import sample_files
from ticketgen_adf_validation.checking import check_grammar
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.judging import judge
from ticketgen_adf_validation.plugin import ticketgen_plugin
from ticketgen_adf_validation.reverting import adf_to_markdown
from ticketgen_processing.building.components import build_tickets
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.detecting import detect
from ticketgen_processing.intake.parsing import parse_sheet
from ticketgen_processing.intake.reading import read_table
from ticketgen_processing.rendering import render
from ticketgen_processing.writing import write_from_template

__all__ = ["main"]

_SITE = SiteContext(project_name="Benchmark")


def main(arguments: list[str]) -> int:
    """Measure every step and print its median, and how it compares."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adf", description=__doc__)
    parser.add_argument("--tickets", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7, help="the median of so many is told")
    parser.add_argument("--folder", type=Path, help="CSV files instead of the sample")
    parser.add_argument("--schema", type=Path, help="Atlassian's full.json")
    chosen = parser.parse_args(arguments)
    texts = list(islice(cycle(_descriptions(chosen.folder)), chosen.tickets))
    medians = _medians(_steps(texts, chosen.schema), chosen.rounds)
    size = sum(map(len, texts)) / 1e6
    print(f"{len(texts)} tickets, {size:.2f} million characters, median of {chosen.rounds} rounds")
    for name, seconds in medians.items():
        ratio = seconds / medians["parse"]
        print(f"{name:<10}{seconds:>8.3f} s{ratio:>8.2f} × parsing")
    if "schema" in medians:
        print(f"grammar / schema: {medians['grammar'] / medians['schema']:.2f}")
    return 0


def _descriptions(folder: Path | None) -> list[str]:
    files = (
        sample_files()
        if folder is None
        else {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}
    )
    sheets = []
    for name, content in files.items():
        table = read_table(content, CSV_TYPES)
        found = detect(name, table.header.cells, CSV_TYPES).csv_type
        if found is not None:
            sheets.append(parse_sheet(name, table, found))
    components = build_tickets(sheets, CSV_TYPES).components
    return [render(one, write_from_template(one, _SITE)).description for one in components]


def _steps(texts: Sequence[str], schema: Path | None) -> Mapping[str, Callable[[], Any]]:
    checks = [
        ("adf_validation", value)
        for value in ticketgen_plugin().provides
        if isinstance(value, AdfCheck)
    ]
    parser = MarkdownIt("gfm-like", {"html": False})
    documents = [markdown_to_adf(text) for text in texts]
    steps: dict[str, Callable[[], Any]] = {
        "parse": lambda: _each(parser.parse, texts),
        "convert": lambda: _each(markdown_to_adf, texts),
        "grammar": lambda: _each(check_grammar, documents),
        "judge": lambda: _each(lambda document: judge(document, checks), documents),
        "validate": lambda: _each(lambda text: judge(markdown_to_adf(text), checks), texts),
        "back": lambda: _each(adf_to_markdown, documents),
    }
    if schema is not None:
        validator = jsonschema_rs.Draft4Validator(json.loads(schema.read_text(encoding="utf-8")))
        steps["schema"] = lambda: _each(validator.is_valid, documents)
    return steps


def _each(step: Callable[[Any], Any], values: Sequence[Any]) -> None:
    """One after the other, and nothing kept: what is kept is counted by the garbage collector."""
    for value in values:
        step(value)


def _medians(steps: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The steps in turns, so that a machine that slows down slows all of them."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            begun = process_time()
            step()
            taken[name].append(process_time() - begun)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
