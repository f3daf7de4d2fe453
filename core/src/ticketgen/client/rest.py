"""Requests to the API, whose refusals are errors, and looks at it that cost nothing twice."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2

from ticketgen.client.errors import (
    ApiProblemError,
    ApiUnreachableError,
    ForeignAnswerError,
    problem_of_status,
)
from ticketgen.client.models import Pace
from ticketgen.errors import InvalidInputError

__all__ = ["NO_ROUTE", "Address", "Looks", "Rest", "retry_after_of"]

NO_ROUTE = "There is nothing at this address."
"""What the API says of an address that no route has."""

_PROBLEM = "application/problem+json"
_TIMEOUT = httpx2.Timeout(60, read=300)
"""Some answers take minutes: a workbook is read before it is stored."""

_LONGEST_RETRY_AFTER = 60.0
_REMEMBERED = 500


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where an API is, and who asks it; the token is in no representation."""

    url: str
    headers: dict[str, str]
    ssl_context: ssl.SSLContext | None = None
    trust_env: bool = True

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def is_secure(self) -> bool:
        """Whether it is spoken to by TLS."""
        return self.url.startswith("https:")


class Rest:
    """One pool of connections to one API."""

    def __init__(self, address: Address, *, pace: Pace) -> None:
        self.address = address
        self.looks = Looks(self, between=pace.between_polls)
        # Certificates take a while to load; plain HTTP has none, and no redirect is followed.
        self.http = httpx2.AsyncClient(
            base_url=address.url,
            headers=address.headers,
            timeout=_TIMEOUT,
            verify=(address.ssl_context or True) if address.is_secure else False,
            trust_env=address.trust_env,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self.http.aclose()

    async def request(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        """A successful answer, or one that nothing has changed.

        Raises:
            ApiProblemError: the API answers with a problem; of a class of its own by its status.
            ApiUnreachableError: nothing answers, or something that is not the API.
            InvalidInputError: what is to be sent holds characters that are no text.
        """
        try:
            answer = await self.http.request(method, path, **arguments)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from error
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                "What is to be sent holds characters that are no text.",
                recovery_actions=["Give it in UTF-8."],
            ) from error
        if answer.is_success or answer.status_code == HTTPStatus.NOT_MODIFIED:
            return answer
        raise self.problem_of(answer)

    def json_of(self, answer: httpx2.Response) -> Any:
        """The JSON of an answer; None of an empty one.

        Raises:
            ForeignAnswerError: it is no JSON.
        """
        if answer.status_code == HTTPStatus.NO_CONTENT or not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise self.foreign(answer.status_code) from None

    def problem_of(self, answer: httpx2.Response) -> ApiProblemError | ForeignAnswerError:
        """The error for an answer that is none; its body must have been read."""
        try:
            problem = answer.json()
        except ValueError:
            problem = None
        if not isinstance(problem, dict) or "detail" not in problem:
            return self.foreign(answer.status_code)
        after = retry_after_of(answer.headers.get("retry-after"))
        return problem_of_status(answer.status_code, problem, retry_after=after)

    def foreign(self, status: int) -> ForeignAnswerError:
        """The error for an answer that the API would not give."""
        return ForeignAnswerError(
            f"What answers at {self.address.shown} with {status} is not the API of ticketgen.",
            recovery_actions=[
                "Check the address: a proxy or another program may answer in the API's place."
            ],
        )

    def _unreachable(self, error: Exception) -> ApiUnreachableError:
        return ApiUnreachableError(
            f"The API at {self.address.shown} cannot be reached: "
            f"{str(error) or type(error).__name__}",
            recovery_actions=["Check the address, the network, and whether the API runs."],
        )


@dataclass(kw_only=True)
class _Seen:
    etag: str | None = None
    found: Any = None
    next_at: float = 0.0


class Looks:
    """Looks at one thing again and again, at most as often as the API wants to be asked.

    What has not changed is not sent: the `ETag` of the last answer goes along.
    """

    def __init__(self, rest: Rest, *, between: timedelta) -> None:
        self._rest = rest
        self._between = between.total_seconds()
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    async def look(self, path: str) -> Any:
        """The JSON at a path, after a wait if it was looked at a moment ago; raises as `request`.

        An API that is asked too often says when it wants to be asked again, and is obeyed.
        """
        seen = self._remembered(path)
        now = asyncio.get_running_loop().time
        while True:
            start = max(now(), seen.next_at)
            seen.next_at = start + self._between
            await asyncio.sleep(start - now())
            try:
                return await self._asked(path, seen)
            except ApiProblemError as problem:
                limited = problem.problem.get("status") == HTTPStatus.TOO_MANY_REQUESTS
                if not limited or problem.retry_after is None:
                    raise
                seen.next_at = now() + problem.retry_after

    async def _asked(self, path: str, seen: _Seen) -> Any:
        headers = {} if seen.etag is None else {"If-None-Match": seen.etag}
        answer = await self._rest.request("GET", path, headers=headers)
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            if seen.etag is None:
                raise self._rest.foreign(answer.status_code)
            return seen.found
        seen.found = self._rest.json_of(answer)
        seen.etag = answer.headers.get("etag")
        return seen.found

    def _remembered(self, path: str) -> _Seen:
        seen = self._seen.setdefault(path, _Seen())
        self._seen.move_to_end(path)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return seen


def retry_after_of(header: str | None) -> float | None:
    """Seconds, of either form that HTTP allows; never so many that nobody would wait."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)
