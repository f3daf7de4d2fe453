"""Whether a plugin keeps the contract: every problem at once, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator

from ticketgen.conformance.names import RESERVED_NAMES, RESERVED_VERBS, check_identity
from ticketgen.conformance.problem import Problem, problem, raised
from ticketgen.conformance.provided import claimed_names, provided_problems
from ticketgen.conformance.schedules import schedule_problems
from ticketgen.conformance.shape import class_problems, contract_problems, shape_problems
from ticketgen.conformance.tables import owner_by_name, table_problems
from ticketgen.conformance.tasks import task_problems
from ticketgen.lazy import Lazy
from ticketgen.plugin import Plugin

__all__ = [
    "RESERVED_NAMES",
    "RESERVED_VERBS",
    "Problem",
    "check_identity",
    "check_plugin",
    "claimed_names",
    "owner_by_name",
    "raised",
]


def check_plugin(plugin: object, *, name: str) -> list[Problem]:
    """Everything that is wrong with the value a plugin returned; empty if it may be used."""
    if not isinstance(plugin, Plugin):
        return [
            problem(
                f"ticketgen_plugin returned {type(plugin).__name__}, not a Plugin",
                "Return one ticketgen.Plugin value.",
            )
        ]
    unusable = [*contract_problems(plugin), *shape_problems(plugin)]
    if unusable:
        return unusable
    return [
        *_name_problems(plugin, name),
        *task_problems(plugin),
        *schedule_problems(plugin),
        *class_problems(plugin),
        *_router_problems(plugin),
        *provided_problems(plugin),
        *table_problems(plugin),
    ]


def _router_problems(plugin: Plugin) -> Iterator[Problem]:
    routers = (plugin.router, plugin.public_router)
    if all(router is None or isinstance(router, Lazy) for router in routers):
        return
    # FastAPI is imported for those who have brought it with them already.
    from ticketgen.conformance.routes import router_problems

    yield from router_problems(plugin)


def _name_problems(plugin: Plugin, name: str) -> list[Problem]:
    if plugin.name == name:
        return []
    return [
        problem(
            f"it calls itself {plugin.name!r}, its entry point {name!r}",
            "Give both the same name.",
        )
    ]
