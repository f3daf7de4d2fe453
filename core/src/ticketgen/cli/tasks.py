"""`ticketgen tasks`: watches what is at work, and stays with it to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import Progress, TaskID

from ticketgen.cli.choosing import find_session
from ticketgen.cli.client import ApiProblemError, Client
from ticketgen.cli.following import CONNECTION_LOST, ending_of, progress_bars
from ticketgen.cli.printable import obeyed_by_none, one_line
from ticketgen.cli.showing import ask, facts, hint, say
from ticketgen.client import ApiError, ProgressMessage, Stream
from ticketgen.client import ApiProblemError as Refusal
from ticketgen.console import err

__all__ = ["app"]

app = typer.Typer(help="What is at work, as it goes on.", no_args_is_help=True)

Ids = Annotated[
    list[UUID] | None,
    typer.Argument(metavar="[TASK_ID]…", help="Ids of runs, as a start prints them."),
]
InSession = Annotated[
    str | None,
    typer.Option("--session", help="A session's id, the beginning of it, or its name."),
]
OfType = Annotated[
    list[str] | None,
    typer.Option("--type", help="With --session: the task, such as export; may be repeated."),
]
AsLines = Annotated[bool, typer.Option("--json", help="Print each message as JSON on a line.")]


@app.callback()
def _tasks() -> None:
    """What is at work, as it goes on."""


@app.command()
def watch(
    task_ids: Ids = None,
    session: InSession = None,
    task_type: OfType = None,
    as_json: AsLines = False,
) -> None:
    """Watch runs to their ends; ends with 1 if one fails or is cancelled.

    A session's task is watched from its newest run on, or from its first, if none has begun. With
    a bar on a terminal, else line by line. Ctrl-C leaves the runs going.
    """
    if not task_ids and not (session and task_type):
        raise typer.BadParameter("Give ids of runs, or --session and --type.")
    if task_type and not session:
        raise typer.BadParameter("--type needs the --session that is meant.")

    async def work(client: Client) -> bool:
        streams = [Stream(task_id=one) for one in task_ids or ()]
        if session:
            session_id = await find_session(client, session)
            streams += [Stream(session_id=session_id, task_type=one) for one in task_type or ()]
        return await _watched(client, streams, as_json)

    if not ask(work):
        raise typer.Exit(1)


async def _watched(client: Client, streams: Sequence[Stream], as_json: bool) -> bool:
    """Whether all of them have completed."""
    bars = None if as_json or not err.is_terminal else progress_bars()
    board = _Board(bars=bars, as_json=as_json)
    try:
        with bars or nullcontext():
            async with aclosing(_messages(client, streams, board)) as messages:
                async for message in messages:
                    board.show(message)
    except ApiError as error:
        raise client.understood(error) from error
    except asyncio.CancelledError:
        hint(f"What runs goes on. Come back with `ticketgen tasks watch {_words(streams)}`.")
        raise
    if len(streams) == 1 and not as_json:
        await _tell_ending(client, board)
    return board.all_completed


def _messages(
    client: Client, streams: Sequence[Stream], board: _Board
) -> AsyncGenerator[ProgressMessage, None]:
    if len(streams) > 1:
        return client.api.watch_many(streams, refused=board.refuse, lost=board.lose)
    [one] = streams
    return client.api.watch(
        task_id=one.task_id, session_id=one.session_id, task_type=one.task_type, lost=board.lose
    )


async def _tell_ending(client: Client, board: _Board) -> None:
    """The result of the one run, or all that is known of why there is none.

    Raises:
        ApiProblemError: it has failed or was cancelled.
    """
    [run_id] = board.ended
    facts(ending_of(await client.call("GET", f"/api/runs/{run_id}"))["result_summary"] or {})


@dataclass(kw_only=True)
class _Board:
    """What is shown of the runs: bars, lines, or the messages themselves."""

    bars: Progress | None
    as_json: bool
    ended: dict[str, str] = field(default_factory=dict)
    """How each run has ended."""
    _rows: dict[str, TaskID] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)
    _is_refused: bool = False
    _is_lost: bool = False

    @property
    def all_completed(self) -> bool:
        """Whether nothing has failed, was cancelled, or was refused."""
        return not self._is_refused and set(self.ended.values()) <= {"completed"}

    def show(self, message: ProgressMessage) -> None:
        """Show where a run stands."""
        self._is_lost = False
        if message.is_terminal:
            self.ended[str(message.task_id)] = message.type
        if self.as_json:
            typer.echo(obeyed_by_none(message.model_dump_json()))
        elif message.type != "resync":  # the snapshot after it says all there is to say
            self._bar(message) if self.bars is not None else self._line(message)

    def lose(self, _: str) -> None:
        """Say that nothing is known at present, once."""
        if not self._is_lost:
            self._is_lost = True
            hint(CONNECTION_LOST)

    def refuse(self, stream: Stream, problem: Refusal) -> None:
        """Say that one of several is not to be seen."""
        self._is_refused = True
        shown = ApiProblemError(problem.problem)
        hint(f"{_words([stream])}: {shown.message}")

    def _bar(self, message: ProgressMessage) -> None:
        assert self.bars is not None  # noqa: S101 - where there are none, lines are shown
        key = str(message.task_id or message.task_type)
        if key not in self._rows:
            name = f"{one_line(message.task_type)} {str(message.task_id or '')[-4:]}"
            self._rows[key] = self.bars.add_task(name, total=100, stage="")
        self.bars.update(
            self._rows[key],
            completed=message.progress_percentage,
            stage=one_line(_stage(message)),
        )

    def _line(self, message: ProgressMessage) -> None:
        share = message.progress_percentage
        shown = f"{share:.0f} %" if share is not None else ""
        line = f"{message.task_id or '-'}  {message.task_type}  {shown:>5}  {_stage(message)}"
        if self._said.get(str(message.task_id)) != line:
            self._said[str(message.task_id)] = line
            say(line)


def _stage(message: ProgressMessage) -> str:
    if message.is_terminal:
        said = f": {message.user_message}" if message.user_message else ""
        return f"{message.status or message.type}{said}"
    if message.status == "not_started":
        return "not started yet"
    return message.current_stage or ""


def _words(streams: Sequence[Stream]) -> str:
    """How the streams are named at a prompt."""
    ids = [str(one.task_id) for one in streams if one.task_id is not None]
    sessions = dict.fromkeys(str(one.session_id) for one in streams if one.task_id is None)
    types = [f"--type {one.task_type}" for one in streams if one.task_id is None]
    return " ".join([*ids, *(f"--session {one}" for one in sessions), *types])
