"""Sends the clients of streams away as soon as the process is told to stop.

A server waits for its open connections before it lets its application know that it ends, and a
stream has no end of its own. So the application hears the signal itself, and hands it on.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["on_stop_signals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def on_stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` in the running loop when a signal to end comes, and then whoever hears it now.

    Where signals are not this thread's, or nobody in Python hears one, it is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    ours: dict[signal.Signals, tuple[Any, Any]] = {}
    for number in _SIGNALS:
        previous = signal.getsignal(number)
        if callable(previous):
            ours[number] = (_handing_on(loop, stop, previous), previous)
            signal.signal(number, ours[number][0])
    try:
        yield
    finally:
        for number, (handler, previous) in ours.items():
            # Somebody who came after us, and is still there, hands on to us: harmless.
            if signal.getsignal(number) is handler:
                signal.signal(number, previous)


def _handing_on(
    loop: asyncio.AbstractEventLoop,
    stop: Callable[[], None],
    previous: Callable[[int, FrameType | None], Any],
) -> Callable[[int, FrameType | None], Any]:
    def handle(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop)
        previous(number, frame)

    return handle
