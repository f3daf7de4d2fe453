"""How long a plugin keeps every process of the host from starting."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from importlib.metadata import EntryPoint

from ticketgen.checkup.flaws import Flaw, advice

__all__ = ["LONGEST_IMPORT", "check_import_time"]

LONGEST_IMPORT = timedelta(seconds=1)

_PATIENCE_SECONDS = 60.0
_MEASURE = """
import importlib, sys, time
import ticketgen, ticketgen.api.deps, ticketgen.domain, ticketgen.provides
begun = time.process_time()
importlib.import_module(sys.argv[1])
print(time.process_time() - begun)
"""
"""Processor time: what else the machine does is not the plugin's fault. What the host itself
imports is there already."""


def check_import_time(entry: EntryPoint, *, longest: timedelta = LONGEST_IMPORT) -> list[Flaw]:
    """Import the plugin in a fresh process; one that takes longer is advised against.

    A plugin that cannot be imported is none of this function's business.
    """
    where = f"import of {entry.module}"
    try:
        measured = subprocess.run(  # noqa: S603 - our own interpreter, and the name of a module
            [sys.executable, "-c", _MEASURE, entry.module],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [
            advice(
                where,
                f"it does not end within {_PATIENCE_SECONDS:.0f} s",
                "Move work out of modules: into functions, or the plugin's lifespan.",
            )
        ]
    if measured.returncode != 0:
        return []
    seconds = float(measured.stdout.split()[-1])
    if seconds <= longest.total_seconds():
        return []
    return [
        advice(
            where,
            f"it takes {seconds:.1f} s of every process's start",
            "See `python -X importtime`; import what is heavy inside the functions that need it.",
        )
    ]
