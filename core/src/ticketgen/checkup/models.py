"""What a request or payload model would lose on its way through JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from ticketgen.checkup.flaws import Flaw, fault

__all__ = ["model_flaws"]

_LOST: dict[Any, str] = {
    SecretStr: "a secret is stored as asterisks",
    SecretBytes: "a secret is stored as asterisks",
    bytes: "bytes that are no UTF-8 cannot be stored",
}


def model_flaws(where: str, role: str, model: type[BaseModel]) -> list[Flaw]:
    """Fields that come back otherwise, or not at all, after `model_dump(mode="json")`."""
    flaws = [
        fault(where, f"{role} field {model.__name__}.{name}: {why}", remedy)
        for name, field in model.model_fields.items()
        for why, remedy in _of_field(model, name, field)
    ]
    return flaws or list(_round_trip(where, role, model))


def _of_field(model: type[BaseModel], name: str, field: FieldInfo) -> Iterator[tuple[str, str]]:
    if field.exclude:
        yield "it is left out when the model is stored", "Remove exclude=True, or the field."
    for kind in _kinds(field.annotation):
        if kind in _LOST:
            yield _LOST[kind], "Store an id or a text, and look the rest up in the handler."
    config = model.model_config
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    written = (field.serialization_alias or name) if config.get("serialize_by_alias") else name
    read = field.validation_alias or field.alias
    if read is not None and read != written and not by_name:
        yield (
            f"it is stored as {written!r} and read as {read!r}",
            "Add ConfigDict(populate_by_name=True), or remove the alias.",
        )


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def _round_trip(where: str, role: str, model: type[BaseModel]) -> Iterator[Flaw]:
    """Try it with the defaults, where there are defaults for everything."""
    if any(field.is_required() for field in model.model_fields.values()):
        return
    try:
        value = model()
        again = model.model_validate(json.loads(json.dumps(value.model_dump(mode="json"))))
    except Exception as error:
        why = f"{role} {model.__name__} cannot be stored and read again: {error}"
        yield fault(where, why, "Use fields that JSON can hold.")
        return
    if again != value:
        yield fault(
            where,
            f"{role} {model.__name__} comes back as {again!r} from {value!r}",
            "Use fields that JSON can hold.",
        )
