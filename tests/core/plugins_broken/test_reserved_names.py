"""No plugin can be called like a part of the host."""

from __future__ import annotations

import pytest
from fastapi.routing import iter_route_contexts
from typer.main import get_group

from ticketgen.api.app import create_app
from ticketgen.cli.main import app as command_line
from ticketgen.conformance import check_identity
from ticketgen.runtime import build_runtime
from ticketgen.settings import Settings


async def test_the_first_segments_of_the_hosts_own_addresses_are_no_plugins(
    clean_environment: pytest.MonkeyPatch,
) -> None:
    settings = Settings(
        database_url="postgresql://nowhere/none",
        redis_url="redis://nowhere",
        allowed_plugins=("none",),
    )
    runtime = build_runtime(settings)

    addresses = [context.path or "" for context in iter_route_contexts(create_app(runtime).routes)]
    await runtime.close()

    nouns = {path.split("/")[2].partition(".")[0] for path in addresses if "/api/" in path}
    assert {"sessions", "runs", "plugins", "openapi"} <= nouns
    assert {noun for noun in nouns if not check_identity(noun)} == set()


def test_the_names_of_the_hosts_own_metrics_begin_like_no_plugins() -> None:
    [problem] = check_identity("ticketgen_workers")

    assert (problem.phase, "'workers'" in problem.remedy) == ("find", True)
    assert check_identity("ticketgenie") == []


def test_the_hosts_own_commands_are_no_plugins() -> None:
    commands = get_group(command_line).commands

    assert {"plugins", "doctor", "up"} <= commands.keys()
    assert {name for name in commands if not check_identity(name)} == set()
