"""Plugins as the scaffold writes them, installed for a process of their own without pip."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ticketgen.plugin import ENTRY_POINT_GROUP
from ticketgen.scaffold import plugin_names, scaffold, write_files


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A distribution that was written, and where an installation would look for it."""

    directory: Path
    site: Path
    """Has what pip would leave behind beside the package: metadata with the entry point."""


def generate(folder: Path, name: str, *, minimal: bool = False) -> Generated:
    names = plugin_names(name)
    generated = Generated(
        directory=folder / names.distribution, site=folder / f"site-{names.distribution}"
    )
    write_files(generated.directory, scaffold(names, minimal=minimal))
    project = tomllib.loads((generated.directory / "pyproject.toml").read_text())["project"]
    info = generated.site / f"{names.package}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {wanted}" for wanted in project["dependencies"]),
    ]
    (info / "METADATA").write_text("\n".join(metadata) + "\n")
    entries = project["entry-points"][ENTRY_POINT_GROUP].items()
    (info / "entry_points.txt").write_text(
        "\n".join([f"[{ENTRY_POINT_GROUP}]", *(f"{key} = {value}" for key, value in entries)])
    )
    return generated


def python_in(directory: Path, installed: Sequence[Generated], *arguments: str) -> tuple[int, str]:
    """Run `python -m …` there with these plugins installed: exit code, and what it said."""
    path = [entry for one in installed for entry in (one.site, one.directory / "src")]
    ours = ("TICKETGEN_", "ARQ_", "PYTEST_", "COV_", "DATABASE_URL", "REDIS_URL", "FORCE_COLOR")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}  # noqa: TID251
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=directory,
        env=kept | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout
