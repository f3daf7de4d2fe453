"""A client of the API over HTTP, with every refusal as an error that says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import quote

import httpx2

from ticketgen.cli.connection import Place
from ticketgen.cli.equivalents import as_commands
from ticketgen.cli.printable import printable
from ticketgen.errors import InvalidInputError, TemporaryError, TicketgenError

__all__ = ["ApiProblemError", "Client", "connected", "segment"]

_TIMEOUT = httpx2.Timeout(60, read=300)
"""Some answers take minutes: a workbook is read before it is stored."""

_PAGE = 500

_NO_ROUTE = "There is nothing at this address."
"""What the API says of an address that no route has."""


class ApiProblemError(TicketgenError):
    """The API refused something, or a run failed; with all that it said about it."""

    code = "api_problem"

    def __init__(self, problem: Mapping[str, Any], *, recovery_actions: list[str] | None = None):
        actions = recovery_actions or [str(item) for item in problem.get("recovery_actions") or []]
        super().__init__(
            printable(str(problem.get("detail") or "The API gives no reason.")),
            recovery_actions=[printable(as_commands(action)) for action in actions],
        )
        self.problem = dict(problem)

    @property
    def error_id(self) -> str | None:
        """What to quote to an administrator."""
        found = self.problem.get("error_id")
        return printable(str(found)) if found else None

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Every problem of the input."""
        return list(self.problem.get("findings") or [])

    @property
    def current(self) -> dict[str, Any] | None:
        """How things are now, where the request was out of date."""
        found = self.problem.get("current")
        return dict(found) if isinstance(found, dict) else None


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client that speaks REST to one API; its streams are `following`'s."""

    http: httpx2.AsyncClient
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
        return _json(answer, self.place)

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
            answer = await self.http.request(method, path, **arguments)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self.unreachable(error) from error
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                "What is to be sent holds characters that are no text.",
                recovery_actions=["Give it in UTF-8."],
            ) from error
        if answer.is_success:
            return answer
        raise self._problem(method, path, answer)

    def unreachable(self, error: Exception) -> TemporaryError:
        """What it means that nothing answered."""
        start = "See whether `ticketgen up` still runs, and its logs."
        check = "Check TICKETGEN_API_URL, the network, and whether the API runs."
        return TemporaryError(
            f"The API at {self.place.shown} cannot be reached: "
            f"{printable(str(error) or type(error).__name__)}",
            recovery_actions=[start if self.place.local else check],
        )

    def _problem(self, method: str, path: str, answer: httpx2.Response) -> ApiProblemError:
        problem = _json(answer, self.place)
        if not isinstance(problem, dict) or "detail" not in problem:
            raise _foreign(answer, self.place)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            return ApiProblemError(
                problem,
                recovery_actions=[
                    f"The token comes from {self.place.token_from}; make a new one with "
                    "`ticketgen tokens create`, run at the API."
                ],
            )
        unknown = (
            answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED or problem["detail"] == _NO_ROUTE
        )
        if unknown:
            problem = {**problem, "detail": f"The API at {self.place.shown} has no {method} {path}"}
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
    async with httpx2.AsyncClient(
        base_url=place.url,
        headers={"Authorization": f"Bearer {place.token}"},
        timeout=_TIMEOUT,
        # Certificates take a while to load; plain HTTP has none, and no redirect is followed.
        verify=place.url.startswith("https:"),
        trust_env=not place.local,  # the way to this machine leads through no proxy
    ) as http:
        yield Client(http=http, place=place)


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


def _json(answer: httpx2.Response, place: Place) -> Any:
    try:
        return answer.json(object_hook=_Answer)
    except ValueError:
        raise _foreign(answer, place) from None


def _foreign(answer: httpx2.Response, place: Place) -> TemporaryError:
    return TemporaryError(
        f"What answers at {place.shown} with {answer.status_code} is not the API of ticketgen.",
        recovery_actions=[
            "Check the address: a proxy or another program may answer in the API's place."
        ],
    )
