"""What is answered: JSON, nothing, or a refusal in the form that Jira gives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

__all__ = ["RefusedError", "answer", "error_collection", "nothing"]


class RefusedError(Exception):
    """Ends the handling of a request with a status and a body."""

    def __init__(
        self,
        status: int,
        *messages: str,
        errors: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, *messages)
        self.status = status
        self.body = dict(body) if body is not None else error_collection(*messages, errors=errors)


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON."""
    return Response(
        json.dumps(body, ensure_ascii=False).encode(),
        status,
        headers,
        media_type="application/json;charset=UTF-8",
    )


def nothing(status: int = 204) -> Response:
    """An answer without a body."""
    return Response(None, status)


def error_collection(*messages: str, errors: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Jira's `ErrorCollection`: what is wrong as a whole, and what with each field."""
    return {"errorMessages": list(messages), "errors": dict(errors or {})}
