"""The distributions as people get them: wheels, installed by pip into an environment of their own.

What they need from others is linked from the environment of the tests, so nothing is downloaded.
Nothing of ours is linked: whatever is called ticketgen comes out of a wheel.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.flows.commands import environment
from tests.rules.tree import PLUGINS, ROOT

OURS = (ROOT / "core", *(ROOT / "plugins" / name for name in PLUGINS))
"""Folders of the distributions that are released together."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A virtual environment, and the wheels that may be installed into it."""

    python: str
    library: Path
    """Its site-packages."""
    wheels: Path

    def install(self, *names: str) -> None:
        """Install distributions from the wheels."""
        found = f"--find-links={self.wheels}"
        _pip(self.python, "install", "--no-index", "--no-deps", found, *names)

    def uninstall(self, name: str) -> None:
        """Remove one distribution."""
        _pip(self.python, "uninstall", "--yes", name)

    def said(self, *arguments: str, **extra: str) -> str:
        """What its interpreter prints; it must end well."""
        return _said(self.python, *arguments, cwd=self.wheels, **extra)


def installed(folder: Path, *more: Path) -> Installed:
    """An environment with our five distributions from wheels; those of `more` have wheels only."""
    wheels = folder / "wheels"
    sources = [str(path) for path in (*OURS, *more)]
    built = ("--no-index", "--no-deps", "--no-build-isolation", f"--wheel-dir={wheels}")
    _pip(sys.executable, "wheel", *built, *sources)
    python, library = _empty_environment(folder / "environment")
    found = Installed(python=python, library=library, wheels=wheels)
    found.install("ticketgen-core", *(f"ticketgen-{name.replace('_', '-')}" for name in PLUGINS))
    return found


def _empty_environment(folder: Path) -> tuple[str, Path]:
    venv.create(folder, symlinks=True)
    python = str(folder / "bin/python")
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    library = Path(_said(python, "-c", asked, cwd=folder).strip())
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "ticketgen" not in entry.name and not (library / entry.name).exists():
            (library / entry.name).symlink_to(entry)
    return python, library


def _pip(python: str, *arguments: str) -> None:
    told = ("--disable-pip-version-check", "--no-input", "--quiet", *arguments)
    _ = _said(python, "-m", "pip", *told, cwd=ROOT)


def _said(python: str, *arguments: str, cwd: Path, **extra: str) -> str:
    done = subprocess.run(
        [python, *arguments],
        cwd=cwd,
        env=environment("none", PYTHONPATH="", **extra),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
