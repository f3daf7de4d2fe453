"""`--safe`: a start without the plugins of strangers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

__all__ = ["Safe", "safe_overrides"]

Safe = Annotated[
    bool,
    typer.Option("--safe", help="Load the plugins of TICKETGEN_REQUIRED_PLUGINS only."),
]


def safe_overrides(safe: bool) -> dict[str, Any]:
    """The settings that the option sets; without it the environment decides."""
    return {"safe_mode": True} if safe else {}
