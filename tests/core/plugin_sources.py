"""Sources of plugins for the tests of discovery: a good one, and the parts to make bad ones."""

from __future__ import annotations

from textwrap import dedent, indent

HEAD = """
from __future__ import annotations

from pydantic import BaseModel

from ticketgen import Caller, Exclusivity, NoRequest, Plugin, Schedule, Subject, Task, hookimpl


class Payload(BaseModel):
    count: int = 1


async def prepare(start, request):
    return Payload()


async def handle(ctx, payload):
    return {}


def task(name, **changes):
    values = {
        "name": name,
        "summary": "Counts.",
        "request": NoRequest,
        "payload": Payload,
        "prepare": prepare,
        "handler": handle,
        "job_name": name.replace(".", "_") + "_job",
        "subject": Subject.NONE,
        "exclusivity": Exclusivity.TYPE,
        "startable_by": Caller.ADMIN,
    }
    return Task(**(values | changes))
"""


def plugin_source(name: str = "acme", *, more: str = "", before: str = "", **fields: str) -> str:
    """A module whose plugin has these fields, each given as an expression."""
    values = {"name": repr(name), "summary": "'Labels tickets.'"} | fields
    arguments = "\n".join(f"{field}={value}," for field, value in values.items())
    return (
        HEAD
        + dedent(before)
        + "\n\n@hookimpl\ndef ticketgen_plugin():\n    return Plugin(\n"
        + indent(arguments, " " * 8)
        + "\n    )\n"
        + dedent(more)
    )
