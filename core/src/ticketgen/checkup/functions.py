"""Whether a task's functions are annotated with the models the task names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from ticketgen.checkup.flaws import Flaw, advice, fault

__all__ = ["function_flaws"]


def function_flaws(
    where: str, role: str, function: Callable[..., Any], model: type[Any]
) -> list[Flaw]:
    """What the second parameter's annotation says, against what the host will hand over."""
    plain = inspect.unwrap(function)
    try:
        parameters = list(inspect.signature(plain).parameters)
    except (TypeError, ValueError):
        return []
    if len(parameters) < 2:
        return []
    annotation = _annotation(plain, parameters[1])
    name = getattr(plain, "__qualname__", repr(plain))
    if annotation is None:
        return [
            advice(
                where,
                f"{role} {name} does not say which model it takes",
                f"Annotate it: {parameters[1]}: {model.__name__}; then a type checker can help.",
            )
        ]
    if _fits(annotation, model):
        return []
    shown = getattr(annotation, "__name__", str(annotation))
    return [
        fault(
            where,
            f"{role} {name} takes {shown}, and will get {model.__name__}",
            f"Annotate it with {model.__name__}, or name {shown} in the task.",
        )
    ]


def _annotation(function: Callable[..., Any], parameter: str) -> Any:
    try:
        return get_type_hints(function).get(parameter)
    except Exception:  # a name that is imported for type checkers only
        return inspect.get_annotations(function).get(parameter)


def _fits(annotation: Any, model: type[Any]) -> bool:
    if isinstance(annotation, str):
        return annotation.rpartition(".")[2] == model.__name__
    if isinstance(annotation, type):
        return issubclass(model, annotation)
    return True  # Any, a union, a type variable: nobody can tell
