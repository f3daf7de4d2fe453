"""Every error as one problem document: what happened, who can fix it, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from ticketgen.database import (
    DatabaseUnavailableError,
    SessionFactory,
    new_id,
    passes_by_itself,
    sqlstate_of,
)
from ticketgen.domain import failures
from ticketgen.errors import (
    AdminRequiredError,
    ConflictError,
    ErrorCategory,
    InvalidInputError,
    NotFoundError,
    TemporaryError,
    TicketgenError,
    TooLargeError,
)
from ticketgen.findings import Finding, FindingsError
from ticketgen.registry import PluginUnavailableError

__all__ = [
    "Problem",
    "SupersededError",
    "describe_problems",
    "install_problem_handlers",
    "problem_of",
    "problem_responses",
]

_log = structlog.get_logger(__name__)

_UNSTORABLE = frozenset({"22021", "22P02", "22P05"})
"""SQLSTATE of what Postgres cannot store: NUL, half a surrogate pair, NaN in a JSON document."""

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Those a route may have."""

_UNREADABLE_BODY = "There was an error parsing the body"
"""FastAPI's words, with 400, for what is no JSON in a way its parser does not expect."""

_TOLD_PROBLEMS = 20
"""Problems of one request that are told; what sent more is no person."""


class SupersededError(ConflictError):
    """The request is based on what is not so any more; the answer tells how it is now."""

    code = "superseded"

    def __init__(
        self, message: str, *, current: Mapping[str, Any], recovery_actions: Sequence[str] = ()
    ) -> None:
        super().__init__(message, recovery_actions=recovery_actions)
        self.current = dict(current)


class MethodNotAllowedError(InvalidInputError):
    """There is such an address, for another method."""

    status = 405
    code = "method_not_allowed"


class Problem(BaseModel):
    """`application/problem+json` (RFC 9457) with who can fix it."""

    type: str = Field(description="`urn:ticketgen:` and the error's code.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What happened, fit for the person who sees it.")
    code: str
    category: ErrorCategory = Field(description="Who can fix it.")
    message: str = Field(description="The same as `detail`, by the founding specification's name.")
    recovery_actions: list[str]
    error_id: UUID = Field(description="Quote it to an administrator.")
    findings: list[Finding] = Field(default=[], description="Every problem of the input.")
    current: dict[str, Any] | None = Field(
        default=None, description="Where the request is out of date: how things are now."
    )

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "type": "urn:ticketgen:conflict",
                    "title": "Conflict",
                    "status": 409,
                    "detail": "`processing` needs the session in stage `upload`; it is in "
                    "`completed`.",
                    "code": "conflict",
                    "category": "user_fixable",
                    "message": "`processing` needs the session in stage `upload`; it is in "
                    "`completed`.",
                    "recovery_actions": ["See the session's stage."],
                    "error_id": "019ac0de-0000-7000-8000-000000000000",
                    "findings": [],
                    "current": None,
                }
            ]
        }
    }


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: which problems it answers with, beside those of every route."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            # Not `model=`: FastAPI would describe it as application/json.
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status in sorted({401, 422, 500, 503, *statuses})
    }


def describe_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with the schema that `problem_responses` refers to."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, definition in {**schema.pop("$defs", {}), "Problem": schema}.items():
        schemas.setdefault(name, definition)
    return document


def problem_of(error: TicketgenError, error_id: UUID, *, status: int | None = None) -> Problem:
    """The problem document of an error; its technical details stay inside."""
    return Problem(
        type=f"urn:ticketgen:{error.code}",
        title=HTTPStatus(status or error.status).phrase,
        status=status or error.status,
        detail=error.message,
        code=error.code,
        category=error.category,
        message=error.message,
        recovery_actions=list(error.recovery_actions),
        error_id=error_id,
        findings=list(error.findings) if isinstance(error, FindingsError) else [],
        current=error.current if isinstance(error, SupersededError) else None,
    )


def _response(
    error: TicketgenError,
    error_id: UUID,
    *,
    status: int | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    problem = problem_of(error, error_id, status=status)
    headers = dict(headers or {})
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TemporaryError) and error.retry_after is not None:
        headers["Retry-After"] = str(ceil(error.retry_after.total_seconds()))
    return JSONResponse(
        problem.model_dump(mode="json"),
        status_code=problem.status,
        headers=headers,
        media_type="application/problem+json",
    )


def _understood(error: Exception) -> TicketgenError:
    """What an exception from below means to the person at the other end."""
    if isinstance(error, TicketgenError):
        return error
    if isinstance(error, HTTPException):
        return _from_http(error)
    if isinstance(error, ClientDisconnect):
        return InvalidInputError(
            "The request ended before all of it had come.",
            recovery_actions=["Send it again; nothing was changed."],
        )
    if sqlstate_of(error) in _UNSTORABLE or isinstance(error, UnicodeEncodeError):
        return InvalidInputError(
            "The request contains what cannot be stored: a NUL character, half a surrogate pair, "
            "or a number that is none.",
            recovery_actions=["Remove it and send the request again."],
        )
    if passes_by_itself(error):
        return _unreachable(error)
    return AdminRequiredError(
        "Something went wrong on our side.",
        recovery_actions=["Tell an administrator the error id."],
        technical_details={"exception": f"{type(error).__name__}: {error}"},
    )


def _unreachable(error: Exception) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        "The database cannot be reached, or did not answer in time.",
        recovery_actions=["Try again in a moment; nothing was changed."],
        technical_details={"exception": f"{type(error).__name__}: {error}"},
    )


def _invalid(error: RequestValidationError) -> InvalidInputError:
    found = error.errors()
    problems = [
        f"{'.'.join(str(part)[:100] for part in item['loc'])}: {item['msg']}"
        for item in found[:_TOLD_PROBLEMS]
    ]
    if len(found) > _TOLD_PROBLEMS:
        problems.append(f"and {len(found) - _TOLD_PROBLEMS} more")
    # A field's name comes from the caller and may hold half a surrogate pair.
    told = "; ".join(problems).encode(errors="replace").decode()
    return InvalidInputError(
        f"The request is not valid: {told}",
        recovery_actions=["Correct the fields named; GET /api/openapi.json describes them."],
    )


def _allowed(request: Request) -> str:
    """Every method of an address: it has a route for each, and a route knows of its own only."""
    scope = {key: request.scope.get(key, "") for key in ("type", "path", "root_path")}
    return ", ".join(
        method
        for method in _METHODS
        if any(
            route.matches({**scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    )


def _from_http(error: HTTPException) -> TicketgenError:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFoundError(
            "There is nothing at this address.",
            recovery_actions=[
                "Check it against GET /api/openapi.json; a plugin may not be installed."
            ],
        )
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        return MethodNotAllowedError(
            "This address does not take this method.",
            recovery_actions=[f"Use {allowed.replace(', ', ' or ')}."],
        )
    if error.detail == _UNREADABLE_BODY:
        return InvalidInputError(
            "The body of the request is not JSON in UTF-8, or is nested too deeply.",
            recovery_actions=["Correct the body; GET /api/openapi.json describes it."],
        )
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLargeError(
            str(error.detail), recovery_actions=["Send less at once, such as fewer files."]
        )
    return InvalidInputError(
        str(error.detail),
        recovery_actions=["Correct the request; GET /api/openapi.json describes it."],
    )


def install_problem_handlers(app: FastAPI, session_factory: SessionFactory) -> None:
    """Let every error of the app leave as a problem document."""

    async def expected(request: Request, error: Exception) -> JSONResponse:
        understood = _understood(error)
        error_id = new_id()
        where = f"{request.method} {request.url.path}"
        if isinstance(understood, TemporaryError | PluginUnavailableError):
            # One line each: an outage refuses every request, and its traceback tells no more.
            _log.warning(
                "request_postponed",
                code=understood.code,
                error_id=str(error_id),
                where=where,
                error=f"{type(error).__name__}: {error}"[:300],
            )
        elif understood.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            error_id = await _recorded(session_factory, understood, where) or error_id
            _log.error(
                "request_failed",
                code=understood.code,
                error_id=str(error_id),
                where=where,
                exc_info=error,
            )
        else:
            _log.info("request_refused", code=understood.code, error_id=str(error_id), where=where)
        return _response(understood, error_id)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        return _response(_invalid(error), new_id())

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            error = HTTPException(error.status_code, headers={"Allow": _allowed(request)})
        return _response(
            _from_http(error),
            new_id(),
            # Like every other body that cannot be understood.
            status=None if error.detail == _UNREADABLE_BODY else error.status_code,
            headers=dict(error.headers or {}),
        )

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    for kind in (TicketgenError, DBAPIError, PoolTimeoutError, OSError):
        app.add_exception_handler(kind, expected)
    app.add_middleware(_UnexpectedErrors, answer=expected)


class _UnexpectedErrors:
    """Answers what no handler knew, inside Starlette's own last resort, which would re-raise."""

    def __init__(self, app: ASGIApp, answer: Any) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watching(message: Any) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watching)
        except Exception as error:
            if begun:
                raise
            response = await self._answer(Request(scope, receive), error)
            await response(scope, receive, send)


async def _recorded(
    session_factory: SessionFactory, error: TicketgenError, where: str
) -> UUID | None:
    """Keep the failure as a row, if the database can be reached at all."""
    try:
        async with session_factory() as db:
            failure = await failures.record_failure(db, error, operation_stage=where)
            await db.commit()
    except (DBAPIError, PoolTimeoutError, OSError):
        return None
    return failure.id
