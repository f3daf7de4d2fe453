"""What a plugin gives by `Lazy` is imported where it is needed, and checked as if it were given."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from fastapi import APIRouter
from typer import Typer

from tests.core.plugin_sources import plugin_source
from ticketgen import CONTRACT_VERSION, Lazy
from ticketgen.lazy import loaded
from ticketgen.provides import Commands
from ticketgen.registry import load_registry, survey_registry
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin

Install = Callable[..., InstalledPlugin]

_BEFORE = """
from ticketgen import CONTRACT_VERSION, Lazy
from ticketgen.provides import Commands
"""

_API = """
from fastapi import APIRouter

router = APIRouter()


@router.get("/labels")
async def labels() -> list[str]:
    return []
"""

_COMMANDS = """
import typer

app = typer.Typer()


@app.command()
def label() -> None:
    pass
"""

_FIELDS = {
    "router": "Lazy('ticketgen_acme.api:router')",
    "provides": "(Commands(app=Lazy('ticketgen_acme.commands:app')),)",
}


def _install(install: Install, *, api: str = _API, commands: str = _COMMANDS) -> None:
    source = plugin_source(before=_BEFORE, **_FIELDS)
    install("acme", source, files={"api.py": api, "commands.py": commands})


def test_a_process_that_serves_no_routes_imports_none(install_plugin: Install) -> None:
    _install(install_plugin)

    registry = load_registry(Settings(), lazily=True)

    assert "acme" in {plugin.name for plugin in registry.active}
    assert "ticketgen_acme" in sys.modules
    assert "ticketgen_acme.api" not in sys.modules
    assert "ticketgen_acme.commands" not in sys.modules


def test_everybody_else_gets_the_values_themselves(install_plugin: Install) -> None:
    _install(install_plugin)

    registry = load_registry(Settings())

    [acme] = [plugin for plugin in registry.active if plugin.name == "acme"]
    [commands] = [value for value in acme.provides if isinstance(value, Commands)]
    assert isinstance(acme.router, APIRouter)
    assert isinstance(commands.app, Typer)


@pytest.mark.parametrize(
    ("api", "phase", "message"),
    [
        ("raise RuntimeError('no ink')", "import", "RuntimeError: no ink"),
        ("raise SystemExit(3)", "import", "SystemExit: 3"),
        ("router = None", "import", "TypeError: ticketgen_acme.api:router is None"),
        ("routers = 1", "import", "AttributeError"),
        ("router = 'labels'", "check", "router is no fastapi.APIRouter"),
        (_API.replace("/labels", "/start/{id}"), "check", "reserved word 'start'"),
    ],
    ids=["raises", "exits", "nothing", "absent", "no router", "reserved"],
)
def test_what_is_wrong_with_it_is_a_failure_of_the_plugin(
    install_plugin: Install, api: str, phase: str, message: str
) -> None:
    _install(install_plugin, api=api)

    registry = survey_registry(Settings())

    problem = registry.problem_of("acme")
    assert problem is not None
    assert (problem.phase, message in problem.message) == (phase, True), problem.message
    assert problem.remedy


def test_commands_of_another_kind_are_a_failure_of_the_plugin(install_plugin: Install) -> None:
    _install(install_plugin, commands="app = print")

    problem = survey_registry(Settings()).problem_of("acme")

    assert problem is not None
    assert "app of Commands is builtin_function_or_method, not Typer" in problem.message


@pytest.mark.parametrize("target", ["ticketgen_acme.api", "ticketgen_acme/api:router", ":x", ""])
@pytest.mark.parametrize("lazily", [True, False], ids=["worker", "everybody"])
def test_a_name_that_names_nothing_is_refused_by_every_process(
    install_plugin: Install, target: str, lazily: bool
) -> None:
    install_plugin("acme", plugin_source(before=_BEFORE, router=f"Lazy({target!r})"))

    problem = survey_registry(Settings(), lazily=lazily).problem_of("acme")

    assert problem is not None
    assert "names nothing" in problem.message
    assert "Lazy('package.module:name')" in problem.remedy


def test_a_value_and_its_name_give_the_same() -> None:
    by_name: Lazy[str] | str = Lazy("ticketgen:CONTRACT_VERSION")

    assert loaded(by_name) == CONTRACT_VERSION
    assert loaded(CONTRACT_VERSION) == CONTRACT_VERSION
    with pytest.raises(ValueError, match="module:name"):
        Lazy[object]("ticketgen.lazy").load()
