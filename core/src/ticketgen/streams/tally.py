"""What a process counts of its streams, for whoever watches the process."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tally"]


@dataclass(kw_only=True)
class Tally:
    """Counters since the process began; gauges are asked of what they measure."""

    sent: int = 0
    """Messages handed to clients' connections."""
    coalesced: int = 0
    """Progress left out for a slow client, since newer progress of the same run followed."""
    overflows: int = 0
    """Clients told to come back because they did not keep up, or took nothing any more."""
    resyncs: int = 0
    """Times a client was told that messages it asked for are no longer kept."""
    reconnects: int = 0
    """Times the subscription was made anew."""
    gaps: int = 0
    """Times messages were fetched from what is kept, because they had not been heard."""
