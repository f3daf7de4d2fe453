"""The client of the API as the commands use it: its refusals name commands, not routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import quote

import httpx2

from ticketgen.cli.connection import Place
from ticketgen.cli.equivalents import as_commands
from ticketgen.cli.printable import printable
from ticketgen.client import ApiError, ApiUnauthenticatedError, ForeignAnswerError
from ticketgen.client import ApiProblemError as Refusal
from ticketgen.client import Client as ApiClient
from ticketgen.errors import TemporaryError, TicketgenError

__all__ = ["ApiProblemError", "Client", "connected", "segment"]

_PATIENCE = timedelta(minutes=1)
"""So long an API that restarts is waited for while a run is watched."""

_PAGE = 500

_NO_REASON = "The API gives no reason."
_NO_ROUTE = "There is nothing at this address."
"""What the API says of an address that no route has."""


class ApiProblemError(Refusal):
    """The API refused something, or a run failed; fit for a terminal, in the words of commands."""

    def __init__(
        self, problem: Mapping[str, Any], *, recovery_actions: list[str] | None = None
    ) -> None:
        actions = recovery_actions or [str(item) for item in problem.get("recovery_actions") or []]
        super().__init__(
            {**problem, "detail": printable(str(problem.get("detail") or _NO_REASON))},
            recovery_actions=[printable(as_commands(action)) for action in actions],
        )

    @property
    def error_id(self) -> str | None:
        """What to quote to an administrator."""
        found = super().error_id
        return printable(found) if found else None


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client of one API, and where that is."""

    api: ApiClient
    place: Place

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of a successful answer; None of an empty one.

        Raises:
            ApiProblemError: the API answers with a problem.
            TemporaryError: it cannot be reached.
        """
        answer = await self.answer(method, path, **arguments)
        if answer.status_code == HTTPStatus.NO_CONTENT or not answer.content:
            return None
        try:
            return answer.json(object_hook=_Answer)
        except ValueError:
            raise _foreign(answer.status_code, self.place) from None

    async def content(self, path: str, **arguments: Any) -> bytes:
        """The bytes of a file; raises as `call` does."""
        return bytes((await self.answer("GET", path, **arguments)).content)

    async def pages(
        self, path: str, params: Mapping[str, Any] | None = None, *, within: str | None = None
    ) -> list[Any]:
        """All of a list that is given in pages; `within` names where a page has its rows."""
        found: list[Any] = []
        while True:
            asked = {**(params or {}), "limit": _PAGE, "offset": len(found)}
            page = await self.call("GET", path, params=asked)
            rows = page[within] if within else page
            found += rows
            if len(rows) < _PAGE:
                return found

    async def answer(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        """A successful answer; raises as `call` does."""
        try:
            return await self.api.request(method, path, **arguments)
        except ApiError as error:
            raise self.understood(error, f"{method} {path}") from error

    def understood(self, error: ApiError, asked: str = "such stream") -> TicketgenError:
        """The same error in the words of the commands."""
        if isinstance(error, Refusal):
            return self._problem(error, asked)
        if isinstance(error, ForeignAnswerError):
            return TemporaryError(
                printable(error.message), recovery_actions=list(error.recovery_actions)
            )
        start = "See whether `ticketgen up` still runs, and its logs."
        check = "Check TICKETGEN_API_URL, the network, and whether the API runs."
        return TemporaryError(
            printable(error.message), recovery_actions=[start if self.place.local else check]
        )

    def _problem(self, error: Refusal, asked: str) -> ApiProblemError:
        problem = error.problem
        if isinstance(error, ApiUnauthenticatedError):
            return ApiProblemError(
                problem,
                recovery_actions=[
                    f"The token comes from {self.place.token_from}; make a new one with "
                    "`ticketgen tokens create`, run at the API."
                ],
            )
        status, detail = problem.get("status"), problem.get("detail")
        if status == HTTPStatus.METHOD_NOT_ALLOWED or detail == _NO_ROUTE:
            problem = {**problem, "detail": f"The API at {self.place.shown} has no {asked}"}
            return ApiProblemError(
                problem,
                recovery_actions=[
                    "It is older than these commands, or the plugin that brings it is not in use "
                    "there: see `ticketgen plugins`, run at the API, and `ticketgen --version`."
                ],
            )
        return ApiProblemError(problem)


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Client]:
    """A client for the length of a block."""
    async with ApiClient(
        place.url,
        token=place.token,
        patience=_PATIENCE,
        trust_env=not place.local,  # the way to this machine leads through no proxy
    ) as opened:
        yield Client(api=opened, place=place)


def segment(word: str) -> str:
    """A word as one part of a path, whatever is in it."""
    return quote(word, safe="", errors="replace")


class _Answer(dict[str, Any]):
    """An object of an answer, which says so if it lacks what the commands count on."""

    def __missing__(self, key: str) -> NoReturn:
        raise TicketgenError(
            f"The API's answer has no {key!r}: it is older, or newer, than these commands.",
            recovery_actions=["Compare `ticketgen --version` here and where the API runs."],
        )


def _foreign(status: int, place: Place) -> TemporaryError:
    return TemporaryError(
        f"What answers at {place.shown} with {status} is not the API of ticketgen.",
        recovery_actions=[
            "Check the address: a proxy or another program may answer in the API's place."
        ],
    )
