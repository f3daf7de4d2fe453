"""What a task asks of other systems before it is started, while nothing is held for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends
from pydantic import BaseModel

from ticketgen.api.host import HostRuntime
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.users import User
from ticketgen.errors import TemporaryError
from ticketgen.isolation import LateError, in_time
from ticketgen.ports import ConsultContext
from ticketgen.preparing import read_request
from ticketgen.runtime import Runtime
from ticketgen.starting import UnitOfWork

__all__ = ["Consult", "Consulting"]

_LIMIT_SECONDS = 15.0


class Consulting:
    """Asks a task's `consult` before it is started: call it, then `work.start`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(
        self,
        work: UnitOfWork,
        task_type: str,
        *,
        session: WorkSession | None,
        user: User | None,
        request: BaseModel | Mapping[str, Any] | None = None,
    ) -> None:
        """Do nothing if the task has no `consult`; else commit, and ask with no connection held.

        Raises:
            NotFoundError: no installed plugin offers the task.
            TemporaryError: no answer came within 15 s.
            TicketgenError: what the task's `consult` refuses.
        """
        registered = self._runtime.registry.task(task_type)
        consult = registered.task.consult
        if consult is None:
            return
        context = ConsultContext(
            session=session,
            user=user,
            settings=registered.settings,
            state=self._runtime.states.get(registered.plugin.name),
            states=self._runtime.states,
            contributions=self._runtime.registry,
        )
        asked = read_request(registered.task, request)
        # Gives the connection back: what is asked may take its time.
        await work.db.commit()
        try:
            async with in_time(_LIMIT_SECONDS):
                await consult(context, asked)
        except LateError:
            raise TemporaryError(
                f"`{task_type}` asked another system whether it can start; no answer came.",
                recovery_actions=["Try again in a moment."],
            ) from None
        except SystemExit as error:
            raise RuntimeError(f"consult of {task_type!r} tried to end the process") from error


async def _consulting(runtime: HostRuntime) -> Consulting:
    return Consulting(runtime)


Consult = Annotated[Consulting, Depends(_consulting)]
"""What a route of a plugin that starts a task by a name of its own calls first."""
