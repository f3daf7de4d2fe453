"""How one ticket gets to a target once, and what is said if it was edited after that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import TaskContext
from ticketgen.domain import artifacts, effects, tickets
from ticketgen.domain.effects import EffectName, EffectState
from ticketgen.errors import TemporaryError
from ticketgen.provides import ExportedFile, ExportTarget, ExportTicket, Sending, SentTicket
from ticketgen_export.errors import UnreadableRecordError
from ticketgen_export.results import Destination, keep_result, result_before

__all__ = ["Patiently", "Sender"]

Patiently = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Sender:
    """One attempt at an export, with its target open."""

    ctx: TaskContext
    target: ExportTarget
    destination: Destination
    project_key: str | None
    options: Mapping[str, Any]
    outlet: Any
    patiently: Patiently
    """Tries a call again for a while where the target is busy."""

    def sending(self, ticket: ExportTicket | None, *, last: str | None = None) -> Sending:
        """The circumstances of a call: for one ticket, or for all."""
        sending = Sending(
            session_id=self.ctx.session_id,
            project_key=self.project_key,
            options=self.options,
            outlet=self.outlet,
            last_reference=last,
        )
        return replace(sending, idempotency_key=sending.key_of(ticket)) if ticket else sending

    def with_effects(self, sending: Sending, **more: Any) -> dict[str, Any]:
        """The same for `follow_up` and `complete`, which create more than the ticket."""
        return {**vars(sending), "effect": self._effect, **more}

    async def note_newest(self) -> None:
        """Note what is there before the first ticket of the run is sent, once."""
        ask = self.target.newest
        if ask is None:
            return

        async def look() -> dict[str, Any]:
            return {"reference": await ask(self.sending(None))}

        # Whoever finds that it was begun may ask anew: nothing has been sent before it was done.
        await self.patiently(
            lambda: self.ctx.effect(
                self.destination.operation("begin"), str(self.ctx.run.id), look, look_up=look
            )
        )

    async def _noted(self, db: AsyncSession, run_id: UUID | None) -> str | None:
        """What was noted before the first ticket of that run was sent."""
        if run_id is None:
            return None
        begun = await effects.read_effect(db, self._name("begin", str(run_id)))
        if begun is None or begun.state is not EffectState.DONE:
            return None
        reference: str | None = begun.value["reference"]
        return reference

    async def is_sent(self, ticket: ExportTicket, revision: int) -> bool:
        """Whether this revision of the ticket is there, with all that belongs to it."""
        return await self.ctx.find_step(_step(ticket, revision)) is not None

    async def send_once(
        self, ticket: ExportTicket, revision: int, *, last: str | None
    ) -> SentTicket:
        """Send one ticket as a step: its files first, then the result that says it is done.

        The step is one of this revision of the ticket: what was edited since is sent anew, or,
        where the target has it already, listed for mending by hand.
        """

        async def send() -> dict[str, Any]:
            sending = self.sending(ticket, last=last)
            way = self._send_plainly if self.target.find is None else self._send_by_ledger
            result: SentTicket = await self.patiently(lambda: way(ticket, sending))
            await self._keep(ticket, result, completed=self.target.follow_up is None)
            if self.target.follow_up is not None:
                with self.ctx.remote():
                    result = await self.target.follow_up(
                        ticket, result, Sending(**self.with_effects(sending))
                    )
                await self._keep(ticket, result, completed=True)
            return result.without_files().model_dump(mode="json")

        return SentTicket.model_validate(await self.ctx.step(_step(ticket, revision), send))

    async def send_together(self, batch: Sequence[ExportTicket], *, last: str | None) -> None:
        """Send several by one call; the ledger keeps what became of each, for `send_once`."""
        send_many = self.target.send_many
        assert send_many is not None  # noqa: S101 - only such a target has batches
        by_key = {str(ticket.id): ticket for ticket in batch}
        sending = self.sending(None, last=last)

        async def perform(keys: Sequence[str]) -> Mapping[str, Any]:
            answers = await send_many([by_key[key] for key in keys], sending)
            return {
                str(ticket_id): answer.model_dump(mode="json")
                if isinstance(answer, SentTicket)
                else answer
                for ticket_id, answer in answers.items()
            }

        async def attempt() -> None:
            await self._turn(batch, sending)
            try:
                await self.ctx.effects(
                    self.destination.operation("send"),
                    list(by_key),
                    perform,
                    refused=self.target.refused,
                    timeout=self._time(len(batch), sending),
                )
            except self.target.refused as error:
                if isinstance(error, TemporaryError):
                    raise
                # None was created: each is sent by itself, and says what is wrong with it.

        await self.patiently(attempt)

    async def keep_files(self, files: Iterable[ExportedFile]) -> None:
        """Store files of the export, each in the place of an older one of its name."""
        async with self.ctx.transaction() as db:
            for file in files:
                await artifacts.put_artifact(
                    db,
                    session_id=self.ctx.session_id,
                    lineage_id=self.ctx.run.lineage_id,
                    name=file.name,
                    media_type=file.media_type,
                    content=file.content,
                )

    async def _keep(self, ticket: ExportTicket, result: SentTicket, *, completed: bool) -> None:
        if completed:
            await self.keep_files(result.files)
        async with self.ctx.transaction() as db:
            # Its time is that of the call: a batch may be stored long after it was created.
            sent = await effects.read_effect(db, self._name("send", str(ticket.id)))
            await keep_result(
                db,
                self.destination,
                ticket,
                result,
                run_id=self.ctx.run.id,
                sent_at=None if sent is None else sent.settled_at,
                completed=completed,
            )

    def _time(self, tickets: int, sending: Sending) -> timedelta:
        return self.target.time_of(tickets, sending) if self.target.time_of else self.target.timeout

    async def _turn(self, tickets: Sequence[ExportTicket], sending: Sending) -> None:
        if self.target.turn is not None:
            await self.target.turn(tickets, sending)

    async def _effect(
        self, operation: str, key: str, perform: Callable[[], Awaitable[Any]], **more: Any
    ) -> Any:
        name = self._name(operation, key)

        async def attempt() -> Any:
            if await self._recorded(name) is None:
                # Whoever dies while it waits has left nothing that has to be found out.
                await self._turn((), self.sending(None))
            return await self.ctx.effect(name.operation, key, perform, **more)

        return await self.patiently(attempt)

    def _name(self, operation: str, key: str) -> EffectName:
        return EffectName(plugin="export", operation=self.destination.operation(operation), key=key)

    async def _recorded(self, name: EffectName) -> effects.Effect | None:
        async with self.ctx.transaction() as db:
            return await effects.read_effect(db, name)

    async def _send_plainly(self, ticket: ExportTicket, sending: Sending) -> SentTicket:
        with self.ctx.remote():
            return await self.target.send(ticket, sending)

    async def _send_by_ledger(self, ticket: ExportTicket, sending: Sending) -> SentTicket:
        """Send to a target that creates something: once, over all exports of the session."""
        name = self._name("send", str(ticket.id))
        if await self._recorded(name) is None:
            await self._turn((ticket,), sending)

        async def perform() -> dict[str, Any]:
            # With its files: whoever takes over from here has only what the ledger holds.
            return (await self.target.send(ticket, sending)).model_dump(mode="json")

        async def look_up() -> dict[str, Any] | None:
            assert self.target.find is not None  # noqa: S101 - no other comes here
            older = await self._older_than(name, sending)
            found = await self.target.find(ticket, older)
            return None if found is None else found.model_dump(mode="json")

        recorded = await self.ctx.effect(
            name.operation,
            name.key,
            perform,
            look_up=look_up,
            refused=self.target.refused,
            timeout=self._time(1, sending),
        )
        result = _readable(name, ticket, recorded)
        if not await self._edited_since(name, ticket):
            return result
        fix = (
            f'"{ticket.title}" was edited after it had been sent: '
            f"bring {result.reference} up to date by hand."
        )
        return result.model_copy(update={"manual_fixes": (*result.manual_fixes, fix)})

    async def _older_than(self, name: EffectName, sending: Sending) -> Sending:
        """The same, with a reference that was there before the call in question was begun.

        The order of work may have changed since: the ticket before this one can be a newer issue.
        """
        now = await self.ctx.now()
        async with self.ctx.transaction() as db:
            call = await effects.read_effect(db, name)
            assert call is not None  # noqa: S101 - it is what is looked up
            before = await result_before(db, self.destination, call.began_at)
            noted = await self._noted(db, call.run_id)
        return replace(
            sending,
            last_reference=None if before is None else before.reference,
            reference_age=None if before is None else call.began_at - before.sent_at,
            newest_reference=noted,
            since_call=now - call.over_at,
        )

    async def _edited_since(self, name: EffectName, ticket: ExportTicket) -> bool:
        async with self.ctx.transaction() as db:
            sent = await effects.read_effect(db, name)
            present = await tickets.get_ticket(
                db, session_id=self.ctx.session_id, ticket_id=ticket.id
            )
        if sent is None or present.edited_at is None:
            return False
        return sent.began_at < present.edited_at


def _step(ticket: ExportTicket, revision: int) -> str:
    return f"send:{ticket.id}:{revision}"


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
