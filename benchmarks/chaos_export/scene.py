"""A host that exports: workers and API as processes, and somebody who asks the API."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2

from benchmarks.chaos.fleet import Fleet, Post
from benchmarks.chaos.installation import Installation
from benchmarks.chaos.journal import Journal
from benchmarks.chaos.load import Load
from benchmarks.chaos_export.journeys import Traveller
from benchmarks.chaos_export.shape import ExportShape
from benchmarks.chaos_export.site import Site
from ticketgen.domain import tokens, users
from ticketgen.sealing import new_key

__all__ = ["Scene", "opened_scene"]

_PLUGIN_SETS = ("", "", "export", "processing,adf_validation,export")
_API_WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that is up."""

    place: Installation
    site: Site
    workers: Fleet
    api: Fleet
    """One process, at an address that stays when it is killed and started again."""
    traveller: Traveller
    load: Load


@asynccontextmanager
async def opened_scene(
    shape: ExportShape,
    place: Installation,
    site: Site,
    *,
    journal: Journal,
    randomness: random.Random,
) -> AsyncIterator[Scene]:
    """Have it up while the block runs."""
    environment: Mapping[str, str] = {
        **place.environment,
        **shape.environment,
        "TICKETGEN_SECRET_KEYS": new_key(),
    }

    def fleet(name: str, **more: Any) -> Fleet:
        return Fleet(
            shape=shape.host,
            environment=environment,
            logs=place.logs,
            journal=journal,
            randomness=random.Random(randomness.getrandbits(64)),
            plugin_sets=_PLUGIN_SETS,
            name=name,
            **more,
        )

    port = _free_port()
    workers, api = fleet("worker"), fleet("api", size=1, command=_serving(port))
    async with (
        workers.running(),
        api.running(),
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {await _token(place)}"},
            timeout=20,
        ) as client,
    ):
        await _answering(client)
        yield Scene(
            place=place,
            site=site,
            workers=workers,
            api=api,
            traveller=Traveller(client=client, journal=journal, site=site),
            load=Load(runtime=place.runtime, client=place.client, journal=journal),
        )


def _serving(port: int) -> Callable[[Post], Sequence[str]]:
    words = ("-m", "ticketgen", "api", "--host", "127.0.0.1", "--port", str(port), "--with-parent")
    return lambda _: words


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port


async def _token(place: Installation) -> str:
    """Of the person who exports."""
    async with place.runtime.session_factory() as db:
        name = f"mia-{secrets.token_hex(3)}"
        user = await users.create_user(db, name=name, role=users.Role.MEMBER)
        _, token = await tokens.create_token(
            db, user=user, name="chaos", lifetime=timedelta(days=1)
        )
        await db.commit()
    return token


async def _answering(client: httpx2.AsyncClient) -> None:
    """Wait until the API is up."""
    async with asyncio.timeout(_API_WITHIN):
        while True:
            try:
                await client.get("/api/sessions")
            except httpx2.TransportError:
                await asyncio.sleep(0.2)
            else:
                return
