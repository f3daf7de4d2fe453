"""Whether a function of a plugin can be called the way the host calls it."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

__all__ = ["is_async", "takes"]


def is_async(function: object) -> bool:
    """Whether calling it gives something to await: `async def`, a partial of one, an object."""
    while isinstance(function, partial):
        function = function.func
    call = getattr(type(function), "__call__", None)  # noqa: B004 - what calling it runs
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def takes(function: Any, count: int) -> bool:
    """Whether it can be called with so many positional arguments; True if nobody can tell."""
    try:
        inspect.signature(function).bind(*[object()] * count)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True
