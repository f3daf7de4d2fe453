"""How many bytes a request may have, whatever its headers say of its length."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["FORM_OVERHEAD", "MAX_BODY_BYTES", "BodyLimit"]

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Of a request that is no form: the longest description, every character escaped, and room."""

FORM_OVERHEAD = 1024 * 1024
"""Bytes a form may have beside its files: boundaries, headers, names."""


class BodyLimit:
    """Refuses a body as soon as it is too long: FastAPI reads bodies before it asks for a token.

    FastAPI's own limit cannot be used: it answers in plain text.
    """

    def __init__(self, app: ASGIApp, *, form_bytes: int) -> None:
        self._app = app
        self._form_bytes = form_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what is read of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        content_type = Headers(scope=scope).get("content-type", "").lower()
        is_form = content_type.startswith("multipart/form-data")
        limit = self._form_bytes if is_form else MAX_BODY_BYTES
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"The request has more than {limit:,} bytes.",
                )
            return message

        await self._app(scope, limited, send)
