"""Fifty generated plugins, installed as pip would leave them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["STRANGERS", "installed_strangers"]

STRANGERS = 50
"""Generated plugins, beside the four of this repository."""

_PLUGIN = '''
"""A small plugin: a task, its schedule, a route, a setting and a check."""

from fastapi import APIRouter
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from ticketgen import Caller, Exclusivity, NoRequest, Plugin, Schedule, Subject, Task, hookimpl


class Small(BaseSettings):
    size: int = 1


class Payload(BaseModel):
    schema_version: int = 1


async def prepare(start, request):
    return Payload()


async def handle(ctx, payload):
    return {}


router = APIRouter()


@router.get("/things")
async def things() -> list[str]:
    return []


@hookimpl
async def ticketgen_check_ticket(ticket):
    return []


@hookimpl
def ticketgen_plugin():
    task = Task(
        name="NAME",
        summary="Works.",
        request=NoRequest,
        payload=Payload,
        prepare=prepare,
        handler=handle,
        job_name="NAME_job",
        subject=Subject.NONE,
        startable_by=Caller.ADMIN,
        exclusivity=Exclusivity.TYPE,
    )
    return Plugin(
        name="NAME",
        summary="A small plugin.",
        tasks=(task,),
        schedules=(Schedule(name="daily", task="NAME", cron="0 8 * * *"),),
        router=router,
        settings=Small,
    )
'''


@contextmanager
def installed_strangers() -> Iterator[Path]:
    """A folder in which fifty distributions are installed, as pip would leave them."""
    with tempfile.TemporaryDirectory(prefix="ticketgen-startup-") as directory:
        folder = Path(directory) / "installed"
        folder.mkdir()
        for number in range(STRANGERS):
            name = f"stranger_{number:02}"
            module = f"ticketgen_{name}"
            (folder / f"{module}.py").write_text(_PLUGIN.replace("NAME", name), encoding="utf-8")
            made = folder / f"{module}-1.0.dist-info"
            made.mkdir()
            (made / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n",
                encoding="utf-8",
            )
            (made / "entry_points.txt").write_text(
                f"[ticketgen.plugins]\n{name} = {module}\n", encoding="utf-8"
            )
        yield folder
