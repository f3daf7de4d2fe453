"""`ticketgen tokens`: the secrets callers prove themselves with."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from ticketgen.console import out, run
from ticketgen.database import database_time
from ticketgen.domain import audit, tokens
from ticketgen.domain.tokens import ApiToken
from ticketgen.domain.users import get_user_by_name
from ticketgen.runtime import open_runtime

__all__ = ["app"]

app = typer.Typer(help="The tokens callers prove themselves with.", no_args_is_help=True)


@app.command()
def create(
    user: Annotated[str, typer.Argument(help="Whose token it is.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "token",
    days: Annotated[int | None, typer.Option(min=1, help="Lifetime in days.")] = None,
) -> None:
    """Make a token and print it, this once: it is stored as a hash only."""

    async def work() -> str:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            lifetime = timedelta(days=days) if days else runtime.settings.token_lifetime
            owner = await get_user_by_name(unit.db, user)
            token, secret = await tokens.create_token(
                unit.db, user=owner, name=name, lifetime=lifetime
            )
            audit.record(unit.db, "token.created", subject=token.id, details={"user": user})
        return secret

    # Not through rich: a token must be one unbroken line, so that it can be piped.
    typer.echo(run(work()))


@app.command("list")
def list_all() -> None:
    """List all tokens, without their secrets."""

    async def work() -> None:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            found = await tokens.list_tokens(unit.db)
            now = await database_time(unit.db)
        for token, owner in found:
            used = f"used {token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "unused"
            out.print(
                f"{token.id}  {_state(token, expired=token.expires_at <= now):<7}  "
                f"until {token.expires_at:%Y-%m-%d}  {used}  {escape(owner.name)}: "
                f"{escape(token.name)}",
                soft_wrap=True,
                highlight=False,
            )

    run(work())


def _state(token: ApiToken, *, expired: bool) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if expired else "good"


@app.command()
def revoke(token_id: Annotated[UUID, typer.Argument(help="From `ticketgen tokens list`.")]) -> None:
    """Make a token useless from now on."""

    async def work() -> None:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            await tokens.revoke_token(unit.db, token_id)
            audit.record(unit.db, "token.revoked", subject=token_id)
        out.print(f"Revoked {token_id}.")

    run(work())
