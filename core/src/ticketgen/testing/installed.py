"""Installs a plugin for the length of a block, so that discovery is tested for real, without pip.

What pip would leave behind is written to a temporary directory on `sys.path`: a module, or a
package with further files, and a `*.dist-info` with its metadata and its entry point. The host
finds it like any other plugin.
"""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

from ticketgen.plugin import ENTRY_POINT_GROUP

__all__ = ["InstalledPlugin", "installed_plugin"]


@dataclass(frozen=True, kw_only=True)
class InstalledPlugin:
    """A plugin that is installed for the length of a block."""

    name: str
    """Of its entry point."""
    distribution: str
    version: str
    module: str
    """What its entry point names; not imported yet."""
    directory: Path
    """Where it is installed; a package's files are in the directory of the module's name."""


@contextmanager
def installed_plugin(
    name: str,
    source: str,
    *,
    distribution: str | None = None,
    version: str = "1.0",
    attribute: str | None = None,
    files: Mapping[str, str] | None = None,
    requires: tuple[str, ...] = ("ticketgen-core>=0.1,<0.2",),
) -> Iterator[InstalledPlugin]:
    """Install a plugin whose module has this source, and remove it without a trace.

    The distribution is called `ticketgen-{name}` unless told otherwise, its module the same with
    underscores; give `distribution` to install two that claim one name. With `attribute` the
    entry point names something inside the module, which no plugin should do. `requires` are the
    dependencies its metadata names; nothing is installed for them.

    With `files`, path → text, the module is a package that has them too:
    `files={"versions/0001_first.py": "…"}` is beside its `__init__.py`.

    Raises:
        ValueError: a module of that name is there already and would hide this one.
    """
    distribution = distribution or f"ticketgen-{name}"
    module = re.sub(r"\W", "_", distribution)
    if module in sys.modules or find_spec(module) is not None:
        raise ValueError(f"a module {module!r} is there already; give another distribution name")
    with tempfile.TemporaryDirectory(prefix="ticketgen-plugin-") as directory:
        installed = InstalledPlugin(
            name=name,
            distribution=distribution,
            version=version,
            module=module,
            directory=Path(directory),
        )
        _write_modules(installed, source, files)
        _write_metadata(installed, attribute, requires)
        sys.path.insert(0, directory)
        importlib.invalidate_caches()
        try:
            yield installed
        finally:
            sys.path.remove(directory)
            for imported in [name for name in sys.modules if name.partition(".")[0] == module]:
                del sys.modules[imported]
            sys.path_importer_cache.pop(directory, None)
            importlib.invalidate_caches()


def _write_modules(
    installed: InstalledPlugin, source: str, files: Mapping[str, str] | None
) -> None:
    if files is None:
        written = {f"{installed.module}.py": source}
    else:
        package = {"__init__.py": source, **files}
        written = {f"{installed.module}/{path}": text for path, text in package.items()}
    for path, text in written.items():
        place = installed.directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(dedent(text), encoding="utf-8")


def _write_metadata(
    installed: InstalledPlugin, attribute: str | None, requires: tuple[str, ...]
) -> None:
    info = installed.directory / f"{installed.module}-{installed.version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {installed.distribution}\nVersion: {installed.version}\n"
        + "".join(f"Requires-Dist: {line}\n" for line in requires),
        encoding="utf-8",
    )
    target = installed.module if attribute is None else f"{installed.module}:{attribute}"
    (info / "entry_points.txt").write_text(
        f"[{ENTRY_POINT_GROUP}]\n{installed.name} = {target}\n", encoding="utf-8"
    )
