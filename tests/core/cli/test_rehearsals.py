"""Rehearsals of strangers: how one is chosen, opened, asked and closed, and what may go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.core.plugin_sources import plugin_source
from ticketgen.cli.client import Client
from ticketgen.cli.connection import Place
from ticketgen.cli.journey import Journey
from ticketgen.cli.main import app
from ticketgen.cli.rehearsals import ChosenRehearsal, write_files
from ticketgen.errors import AdminRequiredError, InvalidInputError, TicketgenError
from ticketgen.provides import OpenRehearsal, Rehearsal, RehearsalContext, RehearsalReport
from ticketgen.registry import load_registry
from ticketgen.settings import load_settings
from ticketgen.testing import InstalledPlugin

Install = Callable[..., InstalledPlugin]
Opening = Callable[[RehearsalContext], AbstractAsyncContextManager[OpenRehearsal]]

_SOURCE = """
from contextlib import asynccontextmanager
from ticketgen.provides import OpenRehearsal, Rehearsal

@asynccontextmanager
async def opened(context):
    yield OpenRehearsal()
"""
_REHEARSAL = "Rehearsal(name={!r}, summary='To the tower.', target={!r}, open=opened)"


def _plugin(name: str = "bell-tower", target: str = "file") -> str:
    return plugin_source(
        "acme_bells", provides=f"({_REHEARSAL.format(name, target)},)", before=_SOURCE
    )


def _refused(folder: Path, *arguments: str) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["demo", *arguments])
    assert done.exit_code == 1, done.output
    assert not any(folder.iterdir())
    return done.stderr


@pytest.fixture
def folder(clean_environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    clean_environment.chdir(tmp_path)
    return tmp_path


def test_an_unknown_target_is_told_with_all_that_there_are(
    install_plugin: Install, folder: Path
) -> None:
    install_plugin("acme_bells", _plugin())

    said = _refused(folder, "--target", "jira-stb")

    assert "The demo cannot export to 'jira-stb'. Did you mean 'jira-stub'?" in said
    assert [line.partition(":")[0].strip(" →") for line in said.splitlines()[1:]] == [
        "--target bell-tower",
        "--target file",
        "--target jira-stub",
    ]
    assert "To the tower." in said


def test_a_rehearsal_of_a_target_that_is_not_there_is_refused_before_anything_starts(
    install_plugin: Install, folder: Path
) -> None:
    install_plugin("acme_bells", _plugin(target="tower"))

    said = _refused(folder, "--target", "bell-tower")

    assert "'bell-tower' of the plugin 'acme_bells' exports to 'tower', which no plugin" in said
    assert "→ See `ticketgen plugins`" in said


def test_two_plugins_cannot_both_have_a_rehearsal_of_one_name(
    install_plugin: Install, folder: Path
) -> None:
    install_plugin("acme_bells", _plugin("file"))

    said = _refused(folder, "--target", "nowhere")

    assert said.count("--target file:") == 1
    assert "To the tower." not in said


def _chosen(opening: Opening) -> ChosenRehearsal:
    rehearsal = Rehearsal(name="bell-tower", summary="Bells.", target="file", open=opening)
    registry = load_registry(load_settings())
    return ChosenRehearsal(plugin="acme_bells", rehearsal=rehearsal, registry=registry)


def _client(asked: list[str]) -> Journey:
    class Told(Client):
        async def call(self, method: str, path: str, **arguments: Any) -> Any:
            asked.append(f"{method} {path} {arguments}")

    place = Place(url="http://nowhere", token="", token_from="nowhere", local=True)
    nowhere: Any = None
    return Journey(client=Told(api=nowhere, place=place))


def _opening(
    events: list[str], report: Callable[[str], Awaitable[Any]] | None = None, given: Any = None
) -> Opening:
    @asynccontextmanager
    async def opened(context: RehearsalContext) -> AsyncIterator[Any]:
        await context.call("POST", "/api/bells", json={})
        made = OpenRehearsal() if report is None else OpenRehearsal(report=report)
        try:
            yield made if given is None else given
        finally:
            events.append("closed")

    return opened


async def test_a_rehearsal_speaks_to_the_api_and_is_closed_also_after_an_error(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    events: list[str] = []
    chosen = _chosen(_opening(events))

    async def fail() -> None:
        async with chosen.opened(_client(events)) as opened:
            assert await chosen.report(opened, "a session") == RehearsalReport()
            raise InvalidInputError("An error of the export.")

    with pytest.raises(InvalidInputError, match="of the export"):
        await fail()

    assert events == ["POST /api/bells {'json': {}}", "closed"]


async def test_what_is_no_open_rehearsal_is_named_and_closed(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    events: list[str] = []

    with pytest.raises(AdminRequiredError, match="gives no OpenRehearsal, but str"):
        async with _chosen(_opening(events, given="bells")).opened(_client([])):
            raise AssertionError("it was opened")

    assert events == ["closed"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(98, "Address already in use"), "'acme_bells' cannot begin: OSError: "),
        (RuntimeError(), "'acme_bells' cannot begin: RuntimeError."),
        (InvalidInputError("The bells are locked."), "The bells are locked."),
    ],
    ids=["taken", "broken", "refused"],
)
async def test_a_rehearsal_that_cannot_begin_says_why(
    error: Exception, said: str, clean_environment: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def opened(_: RehearsalContext) -> AsyncIterator[OpenRehearsal]:
        raise error
        yield

    with pytest.raises(TicketgenError) as raised:
        async with _chosen(opened).opened(_client([])):
            raise AssertionError("it was opened")

    assert said in raised.value.message


async def test_a_rehearsal_that_ends_badly_or_says_nonsense_takes_the_result_from_nobody(
    clean_environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @asynccontextmanager
    async def opened(_: RehearsalContext) -> AsyncIterator[OpenRehearsal]:
        yield OpenRehearsal(report=_nonsense)
        raise RuntimeError("The rope is torn.")

    chosen = _chosen(opened)
    async with chosen.opened(_client([])) as rehearsal:
        report = await chosen.report(rehearsal, "a session")

    said = " ".join(capsys.readouterr().err.split())
    assert report == RehearsalReport()
    assert "cannot report: TypeError: str is no RehearsalReport" in said
    assert "did not end well: RuntimeError: The rope is torn." in said


async def _nonsense(_: str) -> Any:
    return "Ding."


@pytest.mark.parametrize("name", ["", ".", "..", "../bells", "a/b", "/etc/bells"])
def test_a_file_of_a_report_stays_in_the_folder(name: str, tmp_path: Path) -> None:
    files: Mapping[str, bytes] = {name: b"ding", "bells.txt": b"dong"}

    written = write_files(RehearsalReport(files=files), tmp_path)

    assert written == ["bells.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["bells.txt"]
