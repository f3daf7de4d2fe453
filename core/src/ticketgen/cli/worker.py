"""`ticketgen-worker`: takes runs off the queue and works on them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from ticketgen.attached import attached_settings
from ticketgen.cli.parent import end_with_parent
from ticketgen.cli.safe import Safe, safe_overrides
from ticketgen.collecting import uncollected
from ticketgen.console import fail
from ticketgen.errors import TemporaryError, TicketgenError
from ticketgen.logs import configure_logs

__all__ = ["app", "main"]

app = typer.Typer(
    pretty_exceptions_show_locals=False, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.command()
def worker(
    plugins: Annotated[
        str, typer.Option(help="Serve these plugins only, separated by commas; default: all.")
    ] = "",
    max_jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at once; default: TICKETGEN_MAX_JOBS, 2.")
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="End when the queue is empty.")] = False,
    safe: Safe = False,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Work on the runs of the installed plugins until SIGTERM or Ctrl-C.

    Told to stop, it takes no more runs, gives those in hand a grace, and hands the rest back.
    """
    if with_parent:
        end_with_parent()
    with uncollected():
        # Here, where nobody collects meanwhile; and `--help` needs none of it.
        from redis.exceptions import RedisError

        from ticketgen.worker import build_worker
    try:
        jobs = {} if max_jobs is None else {"max_jobs": max_jobs}
        settings = attached_settings(**safe_overrides(safe), **jobs)
        configure_logs(settings)
        asyncio.set_event_loop(asyncio.new_event_loop())
        names = [name.strip() for name in plugins.split(",") if name.strip()]
        with uncollected():
            built = build_worker(settings, plugins=names, burst=burst)
        built.run()
    except TicketgenError as error:
        fail(error)
    except (RedisError, OSError) as error:
        fail(
            TemporaryError(
                f"A server cannot be reached: {error}",
                recovery_actions=["Check Postgres and Redis with `ticketgen doctor`."],
            )
        )


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
