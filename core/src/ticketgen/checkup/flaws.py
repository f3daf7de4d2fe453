"""One thing an author should change: where it is, what is wrong, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Flaw", "Weight", "advice", "fault"]


class Weight(StrEnum):
    """How much a flaw weighs."""

    ERROR = "error"
    """The host refuses it, or users would be harmed by it."""
    ADVICE = "advice"
    """It works, and could be better."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One thing an author should change; `str()` of it is two lines for people."""

    weight: Weight
    where: str
    """A file and line, or the part of the plugin: `task 'acme'`, `pyproject.toml`."""
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.weight}: {self.where}: {self.message}\n    → {self.remedy}"


def fault(where: str, message: str, remedy: str) -> Flaw:
    """Something that has to change."""
    return Flaw(weight=Weight.ERROR, where=where, message=message, remedy=remedy)


def advice(where: str, message: str, remedy: str) -> Flaw:
    """Something that could be better."""
    return Flaw(weight=Weight.ADVICE, where=where, message=message, remedy=remedy)
