"""Keeps the garbage collector away from what a process loads at its start, and keeps for good."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """A block that loads what stays: nothing is collected in it, and what it left never is.

    To look through modules and classes again and again finds nothing. It takes a tenth of a start,
    and later, at some moment, every run of the process has to wait for it.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
