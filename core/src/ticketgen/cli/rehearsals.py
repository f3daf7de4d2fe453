"""The rehearsals that plugins offer to `ticketgen demo`: one is chosen, opened, asked, closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ticketgen.cli.journey import Journey
from ticketgen.cli.showing import hint
from ticketgen.errors import (
    AdminRequiredError,
    ConfigurationError,
    InvalidInputError,
    TicketgenError,
)
from ticketgen.provides import (
    ExportTarget,
    OpenRehearsal,
    Rehearsal,
    RehearsalContext,
    RehearsalReport,
)
from ticketgen.registry import Registry

__all__ = ["ChosenRehearsal", "find_rehearsal", "write_files"]


@dataclass(frozen=True, kw_only=True)
class ChosenRehearsal:
    """A rehearsal, the plugin that brings it, and what all plugins bring."""

    plugin: str
    rehearsal: Rehearsal
    registry: Registry

    @asynccontextmanager
    async def opened(self, client: Journey) -> AsyncIterator[OpenRehearsal]:
        """Have it open for the length of a block; that it does not close well is only told.

        Raises:
            TicketgenError: it cannot begin.
        """
        context = RehearsalContext(
            call=client.call,
            contributions=self.registry,
            settings=self.registry.settings_of(self.plugin),
        )
        try:
            manager = self.rehearsal.open(context)
            opened = await manager.__aenter__()
        except TicketgenError:
            raise
        except Exception as error:
            raise self._broken(f"cannot begin: {_named(error)}") from error
        try:
            if not isinstance(opened, OpenRehearsal):
                raise self._broken(f"gives no OpenRehearsal, but {type(opened).__name__}")
            yield opened
        finally:
            # It is not told of an error: it could take it for one of its own, or hide it.
            try:
                await manager.__aexit__(None, None, None)
            except Exception as error:
                hint(self._broken(f"did not end well: {_named(error)}").message)

    async def report(self, opened: OpenRehearsal, session_id: str) -> RehearsalReport:
        """What it says of itself; if that fails, the export is none the worse, and it is told."""
        try:
            report = await opened.report(session_id)
            if not isinstance(report, RehearsalReport):
                raise TypeError(f"{type(report).__name__} is no RehearsalReport")
        except Exception as error:
            hint(self._broken(f"cannot report: {_named(error)}").message)
            return RehearsalReport()
        return report

    def _broken(self, what: str) -> AdminRequiredError:
        return AdminRequiredError(
            f"The rehearsal {self.rehearsal.name!r} of the plugin {self.plugin!r} {what}.",
            recovery_actions=["Its author has to mend it; `--target file` needs no other system."],
        )


def find_rehearsal(registry: Registry, name: str) -> ChosenRehearsal:
    """The rehearsal of that name.

    Raises:
        InvalidInputError: no plugin in use offers it; with all that there are.
        ConfigurationError: what it exports to is not in use.
    """
    found = {rehearsal.name: (plugin, rehearsal) for plugin, rehearsal in registry.owned(Rehearsal)}
    if name not in found:
        listed = [f"--target {known}: {one.summary}" for known, (_, one) in sorted(found.items())]
        near = "".join(f" Did you mean {one!r}?" for one in get_close_matches(name, found, n=1))
        raise InvalidInputError(
            f"The demo cannot export to {name!r}.{near}",
            recovery_actions=listed or ["See `ticketgen plugins`: none in use offers a rehearsal."],
        )
    plugin, rehearsal = found[name]
    if rehearsal.target not in {target.name for target in registry.provided(ExportTarget)}:
        raise ConfigurationError(
            f"The rehearsal {name!r} of the plugin {plugin!r} exports to {rehearsal.target!r}, "
            "which no plugin in use provides.",
            recovery_actions=["See `ticketgen plugins`, and install what is missing."],
        )
    return ChosenRehearsal(plugin=plugin, rehearsal=rehearsal, registry=registry)


def write_files(report: RehearsalReport, folder: Path) -> list[str]:
    """Write the files of a report to a folder; the names of those that are.

    A name that leads elsewhere is left out, and told.
    """
    written = []
    for name, content in report.files.items():
        if name != Path(name).name or name in {"", ".", ".."}:
            hint(f"{name!r} is no name of a file, and is not written.")
            continue
        (folder / name).write_bytes(content)
        written.append(name)
    return written


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
