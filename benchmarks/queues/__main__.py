"""Measure one figure of our queue beside its peers, and print its tables."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.chaos.installation import forget_settings
from benchmarks.queues.contenders import CONTENDERS, named
from benchmarks.queues.environments import default_folder
from benchmarks.queues.figures import FIGURES, Figure
from benchmarks.queues.report import Report
from benchmarks.queues.scene import opened_scene
from benchmarks.queues.summary import summary


def main(words: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = _parser()
    arguments = parser.parse_args(words)
    if arguments.figure is None:
        return _all(Path(arguments.folder), shared=arguments.shared)
    try:
        named(arguments.contenders)
    except ValueError as error:
        parser.error(str(error))
    forget_settings()
    logs = Path(arguments.logs or tempfile.mkdtemp(prefix="queues-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    report = asyncio.run(_report(arguments.figure, arguments, logs))
    print(report.as_text(), flush=True)
    if arguments.json:
        report.write_json(Path(arguments.json))
    if arguments.text:
        Path(arguments.text).write_text(report.as_text() + "\n", encoding="utf-8")
    failed = any(row.failures for table in report.tables for row in table.rows)
    if failed or arguments.logs:
        print(f"logs of workers and feeders: {logs}", file=sys.stderr)
    else:
        shutil.rmtree(logs)
    return 0


def _all(folder: Path, *, shared: bool) -> int:
    """Every figure as it is by default, each on servers of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        files = ["--json", str(folder / f"{figure.name}.json")]
        files += ["--text", str(folder / f"{figure.name}.md")]
        main([figure.name, *files, *(["--shared"] if shared else [])])
    text = summary(folder)
    print(text)
    (folder / "summary.md").write_text(text + "\n", encoding="utf-8")
    return 0


async def _report(figure: Figure, arguments: argparse.Namespace, logs: Path) -> Report:
    load_before = os.getloadavg()[0]
    contenders = named(arguments.contenders)
    async with opened_scene(
        contenders, environments=Path(arguments.environments), fsync=figure.fsync, logs=logs
    ) as scene:
        tables = await figure.measure(scene, contenders, arguments)
    return Report(
        figure=figure.name,
        tables=tables,
        times=arguments.repeat,
        fsync=figure.fsync,
        versions=scene.versions,
        load_before=load_before,
        shared=arguments.shared,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queues", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="FIGURE")
    everything = commands.add_parser("all", help="every figure, which takes most of an hour")
    everything.set_defaults(figure=None)
    everything.add_argument("folder", help="where the tables and the JSON of each are written")
    everything.add_argument(
        "--shared", action="store_true", help="say that others used the machine"
    )
    for figure in FIGURES:
        command = commands.add_parser(
            figure.name,
            help=figure.summary,
            description=f"{figure.summary[0].upper()}{figure.summary[1:]}.",
        )
        command.set_defaults(figure=figure)
        for name, kind, default, text in figure.arguments:
            command.add_argument(
                f"--{name}", type=kind, default=default, help=f"{text} (default: {default})"
            )
        _add_common(command, figure)
    return parser


def _add_common(command: argparse.ArgumentParser, figure: Figure) -> None:
    command.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    command.add_argument(
        "--contenders",
        nargs="+",
        metavar="NAME",
        default=list(figure.contenders),
        help=f"of {', '.join(CONTENDERS)}; ratios are of the first to each "
        f"(default: {' '.join(figure.contenders)})",
    )
    command.add_argument(
        "--environments",
        metavar="DIR",
        default=str(default_folder()),
        help="where the peers are installed, each in an environment of its own (default: a cache)",
    )
    command.add_argument("--shared", action="store_true", help="say that others used the machine")
    command.add_argument("--json", metavar="FILE", help="write everything measured as JSON too")
    command.add_argument("--text", metavar="FILE", help="write the tables as Markdown too")
    command.add_argument("--logs", metavar="DIR", help="keep the logs of workers and feeders here")


if __name__ == "__main__":
    raise SystemExit(main())
