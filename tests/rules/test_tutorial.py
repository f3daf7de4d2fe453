"""The tutorial is true: its commands are run and its files written, literally, in their order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.rules.tree import ROOT

PAGE = ROOT / "docs" / "tutorial.md"

_STEP = re.compile(
    r"<!-- file: (?P<file>\S+) -->\n```python\n(?P<text>.*?)```|^```sh\n(?P<script>.*?)^```",
    re.DOTALL | re.MULTILINE,
)


def _environment(directory: Path) -> dict[str, str]:
    """A new virtual environment that sees what is installed here; pip needs no network in it."""
    venv.create(directory, symlinks=True)
    inside = sysconfig.get_path("purelib", vars={"base": str(directory)})
    outside = sysconfig.get_path("purelib")
    (Path(inside) / "outside.pth").write_text(f"import site; site.addsitedir({outside!r})\n")
    python = directory / "bin" / "python"
    for command in ("ticketgen", "mypy"):  # ruff needs to see no plugin: the one outside does
        script = directory / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {command} "$@"\n')
        script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TICKETGEN_")}  # noqa: TID251
    return {
        **kept,
        "PATH": f"{directory / 'bin'}:{Path(sys.executable).parent}:{kept['PATH']}",
        "VIRTUAL_ENV": str(directory),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the other way round
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.mark.services
@pytest.mark.timeout(400)
def test_the_tutorial_works_as_it_stands_there(tmp_path: Path) -> None:
    environment = _environment(tmp_path / "venv")
    script = ["set -euo pipefail"]
    for number, step in enumerate(_STEP.finditer(PAGE.read_text(encoding="utf-8"))):
        if step["script"]:
            script.append(step["script"])
            continue
        part = tmp_path / f"part-{number}"
        part.write_text(step["text"], encoding="utf-8")
        script.append(f"mkdir -p {Path(step['file']).parent} && cp {part} {step['file']}")
    (tmp_path / "work").mkdir()

    followed = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path / "work",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert followed.returncode == 0, followed.stdout[-5000:] + followed.stderr[-5000:]
    assert "reading_time" in followed.stdout
    assert len(script) > 10
