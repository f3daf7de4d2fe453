"""The port through which a plugin looks at an uploaded file before it is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ticketgen.context import Contributions
from ticketgen.findings import Finding

__all__ = ["Inspection", "UploadInspector"]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a file is, and what is wrong in it; without a type it is refused."""

    csv_type: str | None
    row_count: int
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UploadInspector:
    """Decides of which type a file is, or why it is none; the first installed one is asked.

    `inspect` gets the file's name, its bytes, the type the user chose (None: detect it), and
    the contributions, among them the known types. It is called in a thread.
    """

    name: str
    inspect: Callable[[str, bytes, str | None, Contributions], Inspection]
