"""Calls Jira's REST interface: reads that are tried again, writes that are sent once and paced."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ticketgen.errors import TemporaryError
from ticketgen_export.connections.access import Access, AccessSource
from ticketgen_export.errors import JiraGoneError, JiraNotReachedError, JiraUnansweredError
from ticketgen_export.jira.answers import Answer
from ticketgen_export.jira.pace import Pace

if TYPE_CHECKING:
    import httpx2  # a third of what the plugin would import: only who calls Jira does

__all__ = ["REST", "JiraClient"]

ShapeT = TypeVar("ShapeT")

REST = "/rest/api/3"

_LARGEST = 16 * 1024 * 1024
"""Bytes of one answer; more is no answer to anything that is asked here."""
_READ_TRIES = 4
_LONGEST_READ_PAUSE = 10.0


class JiraClient:
    """One account at one site, for the length of an attempt."""

    def __init__(
        self,
        http: Callable[[], httpx2.AsyncClient],
        source: AccessSource,
        *,
        timeout: timedelta,
        pace: Pace,
    ) -> None:
        self._http = http
        self._source = source
        self._timeout = timeout.total_seconds()
        self.pace = pace

    async def site_url(self) -> str:
        """The site's address as people know it."""
        return (await self._source.current()).site_url

    async def read(self, path: str, what: str, **parameters: Any) -> dict[str, Any]:
        """The object that Jira holds at a path, tried some times where it is busy or away.

        Raises:
            TemporaryError: it still is.
            TicketgenError: the answer is an error.
        """
        return _of(dict, await self._asked("GET", path, what, params=_given(parameters)))

    async def listed(self, path: str, what: str, **parameters: Any) -> list[Any]:
        """The same where it is a list."""
        return _of(list, await self._asked("GET", path, what, params=_given(parameters)))

    async def fetch(self, path: str, what: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """The same where the question is too long for an address: a POST that changes nothing."""
        return _of(dict, await self._asked("POST", path, what, json=question))

    async def find(self, path: str, what: str, **parameters: Any) -> dict[str, Any] | None:
        """The same, and None where Jira knows nothing of that path."""
        try:
            return await self.read(path, what, **parameters)
        except JiraGoneError:
            return None

    async def pages(self, path: str, what: str, *, within: str, **parameters: Any) -> list[Any]:
        """All entries of a list that Jira gives in pages of `startAt` and `maxResults`."""
        entries: list[Any] = []
        while True:
            page = await self.read(path, what, startAt=len(entries), maxResults=50, **parameters)
            found = page.get(within) or []
            entries += found
            is_last = page.get("isLast") is True or len(entries) >= page.get("total", 0)
            if not found or (is_last and page.get("isLast") is not False):
                return entries

    async def write(
        self, path: str, what: str, *, timeout: timedelta | None = None, **content: Any
    ) -> Any:
        """What Jira answers to a POST, which is sent once.

        Whoever calls waits for a turn of `pace` before.

        Raises:
            JiraUnansweredError: it may have been done.
            TicketgenError: one of `NOTHING_WAS_DONE`, or the connection is lost.
        """
        seconds = timeout.total_seconds() if timeout is not None else self._timeout
        answer = await self._sent("POST", path, timeout=seconds, **content)
        if answer.is_good:
            self.pace.was_answered()
            return answer.json()
        error = answer.error(what)
        if answer.status == 429:
            self.pace.was_refused()
        if isinstance(error, TemporaryError) and error.retry_after is not None:
            self.pace.hold(error.retry_after.total_seconds())
        raise error

    async def _asked(self, method: str, path: str, what: str, **content: Any) -> Any:
        import stamina

        async for attempt in stamina.retry_context(
            on=_read_pause, attempts=_READ_TRIES, timeout=None, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                answer = await self._sent(method, path, is_read=True, **content)
                if not answer.is_good:
                    raise answer.error(what)
                return answer.json()
        raise AssertionError("a context of tries ends by an answer or an error")

    async def _sent(
        self, method: str, path: str, *, is_read: bool = False, **content: Any
    ) -> Answer:
        """One request; a second one only where the first was refused for its access."""
        access = await self._source.current()
        answer = await self._once(access, method, path, **content)
        if _refuses_access(answer, is_read=is_read):
            access = await self._source.renewed(access)
            answer = await self._once(access, method, path, **content)
            if _refuses_access(answer, is_read=is_read):
                # It does not help: the connection is lost, or the site is not itself.
                await self._source.renewed(access)
                raise JiraNotReachedError(
                    "Jira refuses an access that it has just confirmed.",
                    recovery_actions=["Wait: the export goes on by itself."],
                )
        if answer.is_near_limit:
            self.pace.is_near_limit()
        return answer

    async def _once(self, access: Access, method: str, path: str, **content: Any) -> Answer:
        import httpx2

        headers = {"Authorization": access.authorization, "Accept": "application/json"}
        headers |= content.pop("headers", {})
        content.setdefault("timeout", self._timeout)
        try:
            async with self._http().stream(
                method,
                access.api_url + path,
                headers=headers,
                follow_redirects=False,
                **content,
            ) as response:
                body = await _whole(response.aiter_bytes())
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise JiraNotReachedError(
                "Jira cannot be reached.",
                recovery_actions=["Wait: the export goes on by itself when Jira is there again."],
                technical_details={"error": type(error).__name__},
            ) from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise JiraUnansweredError(
                "Jira broke off, or did not answer in time.",
                recovery_actions=["Wait: the export finds out what was done, and goes on."],
                # Its text may quote what was sent: the header with the access.
                technical_details={"error": type(error).__name__},
            ) from None
        return Answer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            content=body,
        )


def _refuses_access(answer: Answer, *, is_read: bool) -> bool:
    """Whether Jira did not take the access; what it did all the same counts as done."""
    if answer.status == 401:
        return not answer.lacks_scope
    return answer.is_nobodys and (is_read or not answer.is_good)


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    import httpx2

    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > _LARGEST:
            raise httpx2.RemoteProtocolError(f"an answer of more than {_LARGEST} bytes")
    return bytes(body)


def _of(kind: type[ShapeT], answer: Any) -> ShapeT:
    """The answer, if it is of that kind.

    Raises:
        JiraUnansweredError: it is JSON, and not what Jira gives there.
    """
    if not isinstance(answer, kind):
        raise JiraUnansweredError("Jira answered with something that cannot be understood.")
    return answer


def _given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _read_pause(error: Exception) -> bool | float:
    """Seconds that were asked for, True for ours, False where a read is not worth another try."""
    if not isinstance(error, TemporaryError):
        return False
    if error.retry_after is None:
        return True
    asked = error.retry_after.total_seconds()
    if asked > _LONGEST_READ_PAUSE:
        return False
    return asked * random.uniform(1.0, 1.1) + 0.05  # noqa: S311
