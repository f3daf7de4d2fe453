"""`ticketgen up`: the whole system on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import structlog
import typer
from rich.markup import escape

from ticketgen.background import end_tasks
from ticketgen.cli.account import local_token
from ticketgen.cli.journey import Journey, journey
from ticketgen.cli.local import LocalSystem, local_system
from ticketgen.cli.safe import Safe, safe_overrides
from ticketgen.console import out, run
from ticketgen.logs import configure_logs
from ticketgen.sample import sample_files
from ticketgen.settings import load_settings

__all__ = ["up"]

_SAMPLE_NAME = "Tidemark Museum (sample)"

_log = structlog.get_logger(__name__)


def up(
    host: Annotated[str | None, typer.Option(help="Address the API binds to.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Its port; 0: any.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where data, logs and the local token are kept.")
    ] = None,
    safe: Safe = False,
) -> None:
    """Run Postgres, Valkey, the API and a worker until Ctrl-C; data is kept between runs."""
    place = {} if data_dir is None else {"data_dir": data_dir.absolute()}
    run(_up(host, port, safe_overrides(safe) | place))


async def _up(host: str | None, port: int | None, overrides: dict[str, Any]) -> None:
    settings = load_settings(**overrides)
    configure_logs(settings)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # left to nohup and to the shell's `&`
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if settings.database_url or settings.redis_url:
        out.print("[yellow]Database and Redis of the environment are not used here.[/yellow]")
    starting = local_system(
        settings.data_dir,
        host=host or settings.api_host,
        port=settings.api_port if port is None else port,
        durable=True,
        safe=settings.safe_mode,
    )
    async with starting as system:
        path = settings.data_dir / "token"
        token = await local_token(system.settings, path)
        async with journey(system.url, token) as client:
            await _greet(system, client, path)
        await _until(stop, system)
        out.print("Stopping …")


async def _until(stop: asyncio.Event, system: LocalSystem) -> None:
    """Keep everything running until told to stop."""
    stopping = asyncio.create_task(stop.wait())
    keeping = asyncio.create_task(system.keep_running())
    try:
        await asyncio.wait({stopping, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
    finally:
        await end_tasks(stopping, keeping)


async def _greet(system: LocalSystem, client: Journey, token_file: Path) -> None:
    """Say where everything is, with a session to try it on and an address to watch it by."""
    folder = system.settings.data_dir
    for line in (
        f"[green]ticketgen is up at {system.url}[/green]",
        f"  token   {escape(str(token_file))}",
        f"  logs    {escape(str(folder / 'logs'))}",
        "",
        *(await _trial(system, client, token_file)),
        "Ctrl-C stops everything; the data is kept.",
    ):
        out.print(line, soft_wrap=True, highlight=False)
    sys.stdout.flush()


async def _trial(system: LocalSystem, client: Journey, token_file: Path) -> list[str]:
    """How to watch a generation; nothing where the plugin for it is not installed."""
    plugins = await client.call("GET", "/api/plugins")
    if not any("processing" in plugin["tasks"] for plugin in plugins):
        return []
    session_id = await _sample_session(client)
    stream = await client.call(
        "POST",
        "/api/stream-passes",
        json={"session_id": session_id, "task_type": "processing"},
    )
    lifetime = system.settings.stream_pass_lifetime.total_seconds()
    folder = system.settings.data_dir
    where = (
        "" if folder == load_settings().data_dir else f"TICKETGEN_DATA_DIR={quote(str(folder))} "
    )
    return [
        "Watch a session's tickets being generated (the address opens for "
        f"{lifetime:.0f} s; a new one: {escape(where)}ticketgen stream-pass {session_id} "
        "processing):",
        f"  websockets '{stream['url']}'",
        "and start it from another terminal:",
        f'  curl -X POST -H "Authorization: Bearer $(cat {escape(quote(str(token_file)))})" '
        f"{system.url}/api/processing/start/{session_id}",
        "",
    ]


async def _sample_session(client: Journey) -> str:
    """A session with the sample's sheets, ready to be generated; made if there is none."""
    for session in await client.call("GET", "/api/sessions"):
        if session["name"] == _SAMPLE_NAME and session["stage"] in {"upload", "review"}:
            return str(session["id"])
    session_id = await client.begin(_SAMPLE_NAME, "The sample that comes with ticketgen.")
    await client.upload(session_id, sample_files())
    await client.check_and_accept(session_id, "The sample shows how a ticket tells of an error.")
    return session_id
