"""How one ticket gets to a target once, and what is said if it was edited after that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from ticketgen import TaskContext
from ticketgen.domain import artifacts, effects, tickets
from ticketgen.domain.effects import EffectName
from ticketgen.provides import ExportedFile, ExportTarget, ExportTicket, Sending, SentTicket
from ticketgen_export.errors import UnreadableRecordError

__all__ = ["keep_files", "send_once"]


async def send_once(
    ctx: TaskContext, target: ExportTarget, ticket: ExportTicket, sending: Sending, *, revision: int
) -> SentTicket:
    """Send one ticket as a step: its files first, then the result that says it is done.

    The step is one of this revision of the ticket: what was edited since is sent anew, or, where
    the target has it already, listed for mending by hand.
    """

    async def send() -> dict[str, Any]:
        if target.find is None:
            with ctx.remote():
                result = await target.send(ticket, sending)
        else:
            result = await _send_by_ledger(ctx, target, ticket, sending)
        await keep_files(ctx, result.files)
        return result.without_files().model_dump(mode="json")

    return SentTicket.model_validate(await ctx.step(f"send:{ticket.id}:{revision}", send))


async def keep_files(ctx: TaskContext, files: Iterable[ExportedFile]) -> None:
    """Store files of the export, each in the place of an older one of its name."""
    async with ctx.transaction() as db:
        for file in files:
            await artifacts.put_artifact(
                db,
                session_id=ctx.session_id,
                lineage_id=ctx.run.lineage_id,
                name=file.name,
                media_type=file.media_type,
                content=file.content,
            )


async def _send_by_ledger(
    ctx: TaskContext, target: ExportTarget, ticket: ExportTicket, sending: Sending
) -> SentTicket:
    """Send to a target that creates something: once, over all exports of the session."""

    async def perform() -> dict[str, Any]:
        # With its files: whoever takes over from here has only what the ledger holds.
        return (await target.send(ticket, sending)).model_dump(mode="json")

    async def look_up() -> dict[str, Any] | None:
        assert target.find is not None  # noqa: S101 - such a target is not driven through here
        found = await target.find(ticket, sending)
        return None if found is None else found.model_dump(mode="json")

    name = EffectName(
        plugin="export",
        operation=":".join(filter(None, ("send", target.name, sending.project_key))),
        key=str(ticket.id),
    )
    recorded = await ctx.effect(
        name.operation,
        name.key,
        perform,
        look_up=look_up,
        refused=target.refused,
        timeout=target.timeout,
    )
    result = _readable(name, ticket, recorded)
    if not await _edited_since(ctx, name, ticket):
        return result
    fix = (
        f'"{ticket.title}" was edited after it had been sent: '
        f"bring {result.reference} up to date by hand."
    )
    return result.model_copy(update={"manual_fixes": (*result.manual_fixes, fix)})


def _readable(name: EffectName, ticket: ExportTicket, recorded: Any) -> SentTicket:
    """What the ledger holds; a person who recorded it need not repeat the ticket's id."""
    try:
        return SentTicket.model_validate({"ticket_id": ticket.id, **recorded})
    except (TypeError, ValidationError) as error:
        raise UnreadableRecordError(
            f'What is recorded of the sending of "{ticket.title}" cannot be read.',
            recovery_actions=[
                f"Record it anew: ticketgen effects settle {name} --overwrite "
                '--done \'{"reference": "…", "url": "…"}\'',
                "Then start the export again.",
            ],
            technical_details={"recorded": recorded},
        ) from error


async def _edited_since(ctx: TaskContext, name: EffectName, ticket: ExportTicket) -> bool:
    async with ctx.transaction() as db:
        sent = await effects.read_effect(db, name)
        present = await tickets.get_ticket(db, session_id=ctx.session_id, ticket_id=ticket.id)
    return sent is not None and present.edited_at is not None and sent.began_at < present.edited_at
