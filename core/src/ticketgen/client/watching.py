"""Watches one stream to its end, whatever comes in between."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace

from ticketgen.client.enduring import Endurance, LostError, RefusedError
from ticketgen.client.models import Pace, Stream
from ticketgen.client.rest import Rest
from ticketgen.client.streaming import Messages, Way, by_events, by_polling, by_websocket
from ticketgen.client.tracking import Track

__all__ = ["EVERY_WAY", "Ladder", "watch"]

EVERY_WAY: tuple[Way, ...] = (by_websocket, by_events, by_polling)
"""The best first."""

_SUSPECT_LOSSES = 3


class Ladder:
    """Which way is to be tried next: where one does not work, the next; then from the top."""

    def __init__(self, rungs: int) -> None:
        self._rungs = rungs
        self._suspect = 0
        self.rung = 0

    def heard(self) -> None:
        """This way works."""
        self._suspect = 0

    def refused(self) -> None:
        """This way cannot be had."""
        self.rung = (self.rung + 1) % self._rungs
        self._suspect = 0

    def lost(self, loss: LostError) -> None:
        """This way was lost: by the last one nothing works, so that all may work again."""
        if self.rung == self._rungs - 1:
            self.rung = 0
            return
        self._suspect += loss.suspect
        if self._suspect >= _SUSPECT_LOSSES:
            self.refused()


async def watch(
    rest: Rest, stream: Stream, track: Track, endurance: Endurance, pace: Pace
) -> Messages:
    """Every message of the stream that is news, up to the ending, which comes exactly once.

    Raises:
        ApiProblemError: the API wants no such watcher.
        ApiUnreachableError: the patience is at an end.
    """
    ladder = Ladder(len(EVERY_WAY))
    while True:
        way = EVERY_WAY[ladder.rung]
        try:
            async with aclosing(way(rest, _meant(stream, track), track.position, pace)) as messages:
                async for message in messages:
                    ladder.heard()
                    endurance.heard(news=message.type not in {"snapshot", "resync"})
                    if not track.take(message):
                        continue
                    yield message
                    if message.is_terminal:
                        return
            loss = LostError("the stream has ended without its ending")
        except RefusedError:
            ladder.refused()
            continue
        except LostError as lost:
            loss = lost
        ladder.lost(loss)
        await endurance.bear(loss)


def _meant(stream: Stream, track: Track) -> Stream:
    """The run that is watched, as soon as it is known: a session may begin another meanwhile."""
    if track.run_id is None:
        return stream
    return replace(stream, task_id=track.run_id, session_id=None, task_type=None)
