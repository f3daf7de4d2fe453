"""`ticketgen users`: who may use the system."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from ticketgen.console import out, run
from ticketgen.domain import audit
from ticketgen.domain.users import Role, create_user, disable_user, list_users
from ticketgen.runtime import open_runtime

__all__ = ["app"]

app = typer.Typer(help="Who may use the system.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name nobody else has.")],
    role: Annotated[Role, typer.Option(help="What the user may do.")] = Role.MEMBER,
) -> None:
    """Add a user; give them a token with `ticketgen tokens create`."""

    async def work() -> None:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            user = await create_user(unit.db, name=name, role=role)
            audit.record(unit.db, "user.created", subject=user.id, details={"name": name})
        out.print(f"Created {role} {name}.")

    run(work())


@app.command("list")
def list_all() -> None:
    """List everybody."""

    async def work() -> None:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            found = await list_users(unit.db)
        table = Table("Name", "Role", "Since", "State")
        for user in found:
            table.add_row(
                user.name,
                user.role,
                f"{user.created_at:%Y-%m-%d}",
                "revoked" if user.disabled_at else "good",
            )
        out.print(table)

    run(work())


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="Whom to shut out.")]) -> None:
    """Shut a user out, with every token of theirs; their sessions stay and can be handed over."""

    async def work() -> None:
        async with open_runtime() as runtime, runtime.unit_of_work() as unit:
            user = await disable_user(unit.db, name)
            audit.record(unit.db, "user.revoked", subject=user.id, details={"name": name})
        out.print(f"Revoked {name}.")

    run(work())
