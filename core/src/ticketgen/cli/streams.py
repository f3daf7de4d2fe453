"""`ticketgen stream-pass`: an address that opens a progress stream for a minute."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import httpx2
import typer

from ticketgen.console import run
from ticketgen.embedded import attach
from ticketgen.errors import ConfigurationError, TicketgenError
from ticketgen.settings import Settings, load_settings

__all__ = ["stream_pass"]


def stream_pass(
    session_id: Annotated[UUID, typer.Argument(help="The session.")],
    task_type: Annotated[str, typer.Argument(help="The task, such as processing.")],
    url: Annotated[str | None, typer.Option(help="The API; default: the running `up`.")] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="TICKETGEN_TOKEN", help="A token; default: that of `ticketgen up`."),
    ] = None,
) -> None:
    """Print a WebSocket address that shows the progress of a task; good for a minute."""

    async def work() -> str:
        settings = load_settings()
        async with httpx2.AsyncClient(base_url=url or _url(settings), timeout=10) as client:
            answer = await client.post(
                "/api/stream-passes",
                json={"session_id": str(session_id), "task_type": task_type},
                headers={"Authorization": f"Bearer {token or _token(settings)}"},
            )
        body = answer.json()
        if answer.status_code != httpx2.codes.CREATED:
            raise TicketgenError(body["detail"], recovery_actions=body["recovery_actions"])
        return str(body["url"])

    typer.echo(run(work()))


def _url(settings: Settings) -> str:
    endpoint = attach(settings.data_dir)
    if endpoint is None or "api_url" not in endpoint.extra:
        raise ConfigurationError(
            f"No `ticketgen up` is running in {settings.data_dir}.",
            recovery_actions=[
                "Start it, or name its folder with TICKETGEN_DATA_DIR.",
                "Or name the API with --url and a token with --token.",
            ],
        )
    return str(endpoint.extra["api_url"])


def _token(settings: Settings) -> str:
    try:
        return (settings.data_dir / "token").read_text().strip()
    except OSError:
        raise ConfigurationError(
            "There is no token of `ticketgen up` here.", recovery_actions=["Give one with --token."]
        ) from None
