"""Handlers as plain functions: work that computes or blocks, in a thread of its own.

The event loop of a worker process is shared by its runs. A handler that computes for seconds, or
calls a library that waits without `await`, holds all of them up; as a plain function it does not::

    def render(ctx: BlockingContext, payload: Pages) -> dict[str, Any]:
        for number, page in enumerate(payload.pages):
            ctx.progress(100 * number / len(payload.pages), "Rendering")
            draw(page)
        return {"pages": len(payload.pages)}

    RENDER = Task(name="acme", payload=Pages, handler=in_thread(render), ...)
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel

from ticketgen.context import TaskContext
from ticketgen.ports import RunIdentity
from ticketgen.vault import Vault

__all__ = ["BlockingContext", "in_thread"]

PayloadT = TypeVar("PayloadT", bound=BaseModel)
SummaryT = TypeVar("SummaryT", bound="BaseModel | dict[str, Any]")
ResultT = TypeVar("ResultT")


class BlockingContext:
    """The hands of a plain function: the same as `TaskContext`, without `await`.

    Every call is also a point at which the run can be stopped.
    """

    def __init__(self, ctx: TaskContext, loop: asyncio.AbstractEventLoop) -> None:
        self._ctx = ctx
        self._loop = loop
        self._stop_wanted = threading.Event()

    @property
    def run(self) -> RunIdentity:
        """Which attempt of which run this is."""
        return self._ctx.run

    @property
    def settings(self) -> Any:
        """The plugin's own settings."""
        return self._ctx.settings

    @property
    def state(self) -> Any:
        """What the plugin's `lifespan` has yielded in this process."""
        return self._ctx.state

    @property
    def vault(self) -> Vault:
        """The plugin's secrets, for an `async def` of one's own: see `wait_for`."""
        return self._ctx.vault

    def checkpoint(self) -> None:
        """Stop here if the run is to stop: for loops that call nothing else of this.

        Raises:
            asyncio.CancelledError: the run is to stop; clean up in `finally`, and let it pass.
        """
        if self._stop_wanted.is_set():
            raise asyncio.CancelledError("the run is to stop")

    def progress(self, percentage: float, stage: str, **details: Any) -> None:
        """Say how far the work is; as `TaskContext.progress`, raises as `checkpoint`."""
        self.wait_for(self._ctx.progress(percentage, stage, **details))

    def step(self, key: str, work: Callable[[], Any]) -> Any:
        """The result of `work`, done once in this lineage of runs; as `TaskContext.step`.

        `work` is a plain function, called in this thread.
        """
        found = self.wait_for(self._ctx.find_step(key))
        if found is not None:
            return found["value"]
        return self.wait_for(self._ctx.keep_step(key, work()))

    def wait_for(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a coroutine in the worker's event loop and wait for its result.

        For the rest of `TaskContext`, in an `async def` of one's own; raises as `checkpoint`.
        """
        try:
            self.checkpoint()
        except asyncio.CancelledError:
            work.close()
            raise
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """Ask the function to stop at its next call; the host does it."""
        self._stop_wanted.set()


def in_thread(
    function: Callable[[BlockingContext, PayloadT], SummaryT],
) -> Callable[[TaskContext, PayloadT], Awaitable[SummaryT]]:
    """A handler that runs a plain function in a thread, so that it may block.

    A thread cannot be ended from outside: told to stop, the function goes on until it next calls
    its context, where it gets an `asyncio.CancelledError`. One that never does is left behind
    after a while; what it still writes is refused.
    """

    @functools.wraps(function)
    async def handler(ctx: TaskContext, payload: PayloadT) -> SummaryT:
        loop = asyncio.get_running_loop()
        blocking = BlockingContext(ctx, loop)
        done: asyncio.Future[SummaryT] = loop.create_future()
        surroundings = contextvars.copy_context()  # log lines name the run in the thread too

        def body() -> None:
            try:
                result = surroundings.run(function, blocking, payload)
            except BaseException as error:
                _tell(loop, done, error=error)
            else:
                _tell(loop, done, result=result)

        # A thread of its own and a daemon: one that will not end keeps no other work from a
        # pool's threads, and no process from its end.
        threading.Thread(target=body, name=f"handler:{ctx.run.task_type}", daemon=True).start()
        return await _ended(done, blocking)

    return handler


async def _ended(done: asyncio.Future[SummaryT], blocking: BlockingContext) -> SummaryT:
    """What the thread comes to; a cancellation is passed on to it, and waits for its end."""
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        blocking.stop()
        return await asyncio.shield(done)


def _tell(
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[SummaryT],
    *,
    result: SummaryT | None = None,
    error: BaseException | None = None,
) -> None:
    def tell() -> None:
        if isinstance(error, asyncio.CancelledError):
            done.cancel()
        elif error is not None:
            done.set_exception(_fit_for_a_future(error))
        else:
            done.set_result(result)  # type: ignore[arg-type]

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the loop has been closed: nobody waits any more
        return


def _fit_for_a_future(error: BaseException) -> BaseException:
    """What would end the process, or confuse the loop, becomes an ordinary error."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"the function raised {error!r}")
