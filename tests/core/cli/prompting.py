"""`ticketgen` at a prompt that leads to a served API, with a worker that takes what is started."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ticketgen.background import end_tasks
from ticketgen.cli.main import app
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.runtime import Runtime
from ticketgen.testing import Api, LiveApi
from ticketgen.testing.driving import working

__all__ = ["SHEETS", "Prompt", "prompting", "worker"]

SHEETS: Mapping[str, bytes] = {
    "Bundles.csv": (
        b"Name,Machine name,Type\n"
        b"Article,article,Content type\n"
        b"Event,event,Content type\n"
        b"Topics,topics,Vocabulary\n"
    ),
    "Fields.csv": (
        b"Bundle,Field label,Machine name,Field type,Ref. bundle,Bundle machine name\n"
        b"Article (Content type),Topic,field_topic,Entity reference,Topics (Vocabulary),article\n"
        b"Event (Content type),Story,field_story,Entity reference,Article (Content type),event\n"
        b"Event (Content type),Place,field_place,Entity reference,Topixx (Vocabulary),event\n"
    ),
}
"""Three tickets in this order of work, Topics, Article, Event; and one reference to nothing."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A person at a terminal of 200 columns, or a script."""

    api: Api
    url: str
    environment: pytest.MonkeyPatch

    async def done(self, *arguments: str, answer: str | None = None) -> Result:
        """What became of a command; `answer` is what was typed at its question."""
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, input=answer)

    async def said(self, *arguments: str, code: int = 0, answer: str | None = None) -> str:
        """What a command printed, which ended as expected."""
        result = await self.done(*arguments, answer=answer)
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    async def refused(self, *arguments: str) -> str:
        """What a command said on standard error, which ended with 1."""
        result = await self.done(*arguments)
        assert result.exit_code == 1, (result.output, result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.stderr

    async def json(self, *arguments: str, code: int = 0) -> Any:
        """What a command printed for a script."""
        return json.loads(await self.said(*arguments, "--json", code=code))

    async def session(self, name: str = "Harbour Museum") -> str:
        """The id of a new session."""
        return (await self.said("sessions", "create", name)).strip()

    async def reviewed(self, specification: Path) -> str:
        """The id of a session with three tickets, made from sheets whose error is accepted."""
        session = await self.session()
        await self.said("upload", "files", session, str(specification))
        await self.said("sessions", "check", session, code=1)
        await self.said("findings", "accept", session, "--all")
        await self.said("sessions", "generate", session)
        return session

    def become(self, token: str) -> None:
        """Type as somebody else from now on."""
        self.environment.setenv("TICKETGEN_TOKEN", token)


@asynccontextmanager
async def prompting(live: LiveApi, environment: pytest.MonkeyPatch) -> AsyncIterator[Prompt]:
    """A prompt of mia's, and a worker, until the block ends."""
    environment.setenv("TICKETGEN_API_URL", live.url)
    environment.setenv("TICKETGEN_TOKEN", live.api.token)
    environment.setenv("COLUMNS", "200")
    # What the API and the worker log in this process would stand in the answers of the commands.
    with capture_logs():
        async with worker(live.api.runtime):
            yield Prompt(api=live.api, url=live.url, environment=environment)


@asynccontextmanager
async def worker(runtime: Runtime) -> AsyncIterator[None]:
    """Runs whatever is queued, one after another, until the block ends."""
    working_on = asyncio.create_task(_work(runtime))
    try:
        yield
    finally:
        await end_tasks(working_on)


async def _work(runtime: Runtime) -> None:
    queued = select(TaskRun.id).where(TaskRun.state == RunState.QUEUED).order_by(TaskRun.created_at)
    async with working(runtime) as runner:
        while True:
            async with runtime.session_factory() as db:
                due = await db.scalar(queued.limit(1))
            if due is None:
                await asyncio.sleep(0.02)
            else:
                await runner.run(due)
