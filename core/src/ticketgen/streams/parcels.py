"""One message on its way to clients: read once, and sent to each as the text it came as."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from ticketgen.progress import bounded
from ticketgen.progress_messages import ProgressMessage
from ticketgen.streams.positions import Position

__all__ = ["Parcel", "open_parcel", "parcel_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A message, its text, and what decides who gets it and when."""

    text: str
    message: ProgressMessage
    task_id: UUID | None
    position: Position | None
    is_terminal: bool
    event_id: str | None = None
    """What a client of server-sent events comes back with, where that is not its position."""

    def is_of(self, run_id: UUID) -> bool:
        """Whether it is about the run: a channel may carry several."""
        return self.task_id is None or self.task_id == run_id


def open_parcel(raw: bytes) -> Parcel | None:
    """What was published, as it was published; None if it is no message."""
    try:
        message = ProgressMessage.model_validate_json(raw)
    except ValidationError:
        return None
    return _packed(raw.decode(), message)


def parcel_of(message: ProgressMessage, *, event_id: str | None = None) -> Parcel:
    """A message of this process's own making, such as a snapshot; bounded like those published."""
    message = bounded(message)
    return _packed(message.model_dump_json(), message, event_id)


def _packed(text: str, message: ProgressMessage, event_id: str | None = None) -> Parcel:
    known = message.epoch is not None and message.sequence is not None
    return Parcel(
        text=text,
        message=message,
        task_id=message.task_id,
        position=Position(message.epoch or "", message.sequence or 0) if known else None,
        is_terminal=message.is_terminal,
        event_id=event_id,
    )
