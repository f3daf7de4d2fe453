"""What the commands of a plugin work with: what is installed, the host, and a way to speak.

A plugin contributes a `ticketgen.provides.Commands`, and its commands are `ticketgen {plugin} …`::

    app = typer.Typer(help="Labels of tickets.")

    @app.command()
    def labelled() -> None:
        out.print(on_host("acme_labels", count_labels))

    async def count_labels(host: Host) -> int:
        async with host.unit_of_work() as work:
            ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ticketgen.console import err, fail, out, run
from ticketgen.errors import NotFoundError
from ticketgen.ports import Contributions, Host, Role
from ticketgen.registry import load_registry
from ticketgen.runtime import open_runtime
from ticketgen.settings import load_settings

__all__ = ["contributions", "err", "fail", "on_host", "out"]

ResultT = TypeVar("ResultT")


def contributions() -> Contributions:
    """What the installed plugins provide; no server is needed.

    Raises:
        ConfigurationError: a setting is wrong, or a required plugin is broken.
    """
    return load_registry(load_settings(), lazily=True)


def on_host(plugin: str, work: Callable[[Host], Awaitable[ResultT]]) -> ResultT:
    """What `work` gives, run as the plugin of that name on the system the settings lead to.

    Without servers in the settings that is the system of a running `ticketgen up`. A
    `TicketgenError` of `work` ends the command with a message and 1, as `fail` does.
    """

    async def worked() -> ResultT:
        async with open_runtime(application_name=f"ticketgen-{plugin}") as runtime:
            runtime.registry.require(plugin)
            if plugin not in {found.name for found in runtime.registry.active}:
                raise NotFoundError(
                    f"The plugin {plugin!r} is not in use.",
                    recovery_actions=["See `ticketgen plugins`."],
                )
            return await work(runtime.host(plugin, Role.COMMAND))

    return run(worked())
