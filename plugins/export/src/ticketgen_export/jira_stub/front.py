"""Every request passes here: limit, fault, who asks, the work, and the answer as it leaves."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from ticketgen_export.jira_stub import attachments, catalogue, fetching, issues, properties, search
from ticketgen_export.jira_stub.access import (
    admitted_by_password,
    admitted_by_token,
    unauthorized,
)
from ticketgen_export.jira_stub.answers import RefusedError, answer, error_collection
from ticketgen_export.jira_stub.call import Call, Endpoint, Pacing
from ticketgen_export.jira_stub.connection import connection_of
from ticketgen_export.jira_stub.exchange import Exchange, Log, Record
from ticketgen_export.jira_stub.faults import Fault, FaultKind, FaultPlan
from ticketgen_export.jira_stub.limiting import RateLimit
from ticketgen_export.jira_stub.oauth import OAuth
from ticketgen_export.jira_stub.site import Site

__all__ = ["ENDPOINTS", "TEMPLATES", "Front"]

ENDPOINTS: tuple[Endpoint, ...] = (
    *issues.ENDPOINTS,
    *fetching.ENDPOINTS,
    *properties.ENDPOINTS,
    *attachments.ENDPOINTS,
    *search.ENDPOINTS,
    *catalogue.ENDPOINTS,
)
"""Every endpoint of the site."""

_TOKEN_ENDPOINTS = (
    "GET /authorize",
    "POST /oauth/token",
    "GET /oauth/token/accessible-resources",
    "POST /oauth/revoke",
)

TEMPLATES = (*(one.template for one in ENDPOINTS), *_TOKEN_ENDPOINTS)
"""What the requests are called that are answered: method and path."""

_PATTERNS = [
    (one, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", one.path) + "/?")) for one in ENDPOINTS
]
_GATEWAY = re.compile(r"/ex/jira/(?P<cloud>[^/]+)(?P<path>/.*)")
_PAGE = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


@dataclass(frozen=True, kw_only=True)
class _Arrival:
    """A request that has been read, and where it leads."""

    request: Request
    body: bytes
    path: str
    cloud: str | None
    endpoint: Endpoint | None
    parameters: Mapping[str, str]
    token_work: Callable[[Request], Awaitable[Response]] | None
    template: str


class Front:
    """The ASGI application."""

    def __init__(self, *, site: Site, oauth: OAuth, plan: FaultPlan, log: Log) -> None:
        self._site = site
        self._oauth = oauth
        self._plan = plan
        self._log = log
        self._limit = RateLimit(lambda: site.clock())
        self._latency = random.Random(f"{site.seed}:latency")  # noqa: S311 - no secret is drawn
        self._began = site.clock()
        self._count = 0
        work = (oauth.authorize, oauth.token, oauth.resources, oauth.revoke)
        self._token_work: Mapping[str, Callable[[Request], Awaitable[Response]]] = dict(
            zip(_TOKEN_ENDPOINTS, work, strict=True)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or drop its connection."""
        try:
            arrival = await self._arrived(scope, receive)
        except ClientDisconnect:
            return  # in the middle of its request: nothing was asked for
        wait = None
        if arrival.token_work is None:
            wait = self._limit.admit(self._site.behaviour.requests_per_second)
        if wait is not None:
            await self._leave(arrival, _too_many(), None, send, wait=wait)
            return
        fault = self._plan.strike(arrival.template, _peer_of(scope))
        refused = _refused_by(fault, is_gateway=arrival.cloud is not None)
        if refused is not None:
            pause = fault.after.total_seconds() if fault and refused.status_code == 429 else None
            await self._leave(arrival, refused, fault, send, wait=pause)
            return
        await self._worked(arrival, fault, send)

    async def _arrived(self, scope: Scope, receive: Receive) -> _Arrival:
        request = Request(scope, receive)
        body = await request.body()
        matched = _GATEWAY.fullmatch(scope["path"])
        path = matched["path"] if matched else scope["path"]
        endpoint, parameters = _find(request.method, path)
        named = f"{request.method} {path}"
        token_work = None if matched else self._token_work.get(named)
        template = endpoint.template if endpoint else named
        return _Arrival(
            request=request,
            body=body,
            path=path,
            cloud=matched["cloud"] if matched else None,
            endpoint=endpoint,
            parameters=parameters,
            token_work=token_work,
            template=template if endpoint or token_work else f"{request.method} (unknown)",
        )

    async def _worked(self, arrival: _Arrival, fault: Fault | None, send: Send) -> None:
        """Do what was asked for, before or after the connection breaks if it has to."""
        kind = fault.kind if fault else None
        scope = arrival.request.scope
        if kind in (FaultKind.DROP_BEFORE, FaultKind.LATE_COMMIT):
            await connection_of(scope).drop(arrival.request.receive)
        if kind is FaultKind.DROP_BEFORE:
            self._note(arrival, None, fault)
            return
        makes_issues = arrival.endpoint is not None and arrival.endpoint.makes_issues
        pacing = _paced(fault, self._drawn_latency())
        if fault is not None and kind in (FaultKind.SLOW_BEFORE, FaultKind.LATE_COMMIT):
            is_late_create = kind is FaultKind.LATE_COMMIT and makes_issues
            await asyncio.sleep(0 if is_late_create else fault.after.total_seconds())
        if not makes_issues:
            await asyncio.sleep(pacing.work.total_seconds())
        response = await self._answered(arrival, pacing)
        if kind is FaultKind.LATE_COMMIT:
            self._note(arrival, None, fault)
        elif kind is FaultKind.DROP_AFTER:
            self._note(arrival, None, fault)
            await connection_of(scope).drop(arrival.request.receive)
        elif kind is FaultKind.RESET_MID_ANSWER:
            self._note(arrival, None, fault)
            await _send_half(arrival, response, send)
        else:
            if fault is not None and kind is FaultKind.SLOW_AFTER:
                await asyncio.sleep(fault.after.total_seconds())
            await self._leave(arrival, _spoiled(response, kind), fault, send)

    async def _answered(self, arrival: _Arrival, pacing: Pacing) -> Response:
        try:
            if arrival.token_work is not None:
                return await arrival.token_work(arrival.request)
            call = self._admitted(arrival, pacing)
            if arrival.endpoint is None:
                raise RefusedError(404, "The requested resource does not exist.")
            return await arrival.endpoint.handle(call)
        except RefusedError as refusal:
            return answer(refusal.body, refusal.status)

    def _admitted(self, arrival: _Arrival, pacing: Pacing) -> Call:
        headers = arrival.request.headers
        url = str(arrival.request.base_url).rstrip("/")
        scopes = arrival.endpoint.scopes if arrival.endpoint else frozenset()
        if arrival.cloud is None:
            account = admitted_by_password(self._site, headers)
        else:
            account = admitted_by_token(self._site, self._oauth, headers, scopes)
            if arrival.cloud != self._site.cloud_id:
                raise RefusedError(404, body={"code": 404, "message": "Not found"})
            url = f"{url}/ex/jira/{arrival.cloud}"
        return Call(
            site=self._site,
            account=account,
            request=arrival.request,
            api_url=url,
            path=arrival.parameters,
            pacing=pacing,
        )

    async def _leave(
        self,
        arrival: _Arrival,
        response: Response,
        fault: Fault | None,
        send: Send,
        *,
        wait: float | None = None,
    ) -> None:
        if arrival.token_work is None:
            most = self._site.behaviour.requests_per_second
            response.headers.update(self._limit.headers(most, wait))
        elif wait is not None:
            response.headers["Retry-After"] = str(max(1, round(wait)))
        self._note(arrival, response, fault)
        await response(arrival.request.scope, arrival.request.receive, send)

    def _note(self, arrival: _Arrival, response: Response | None, fault: Fault | None) -> None:
        self._count += 1
        record = Record(
            number=self._count,
            at=round(self._site.clock() - self._began, 6),
            method=arrival.request.method,
            path=arrival.path,
            template=arrival.template,
            status=response.status_code if response is not None else None,
            fault=fault.kind if fault else None,
        )
        exchange = Exchange(
            record=record,
            is_gateway=arrival.cloud is not None,
            query=arrival.request.url.query if arrival.token_work is None else "",
            request_type=arrival.request.headers.get("content-type", ""),
            request_body=arrival.body,
            response_type=response.headers.get("content-type", "") if response else "",
            response_body=bytes(response.body) if response else b"",
        )
        self._log.add(exchange)

    def _drawn_latency(self) -> timedelta:
        behaviour = self._site.behaviour
        least, most = behaviour.latency_min, max(behaviour.latency_min, behaviour.latency_max)
        return least + (most - least) * self._latency.random()


def _find(method: str, path: str) -> tuple[Endpoint | None, Mapping[str, str]]:
    for endpoint, pattern in _PATTERNS:
        matched = pattern.fullmatch(path) if endpoint.method == method else None
        if matched:
            return endpoint, matched.groupdict()
    return None, {}


def _peer_of(scope: Scope) -> str | None:
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else None


def _paced(fault: Fault | None, latency: timedelta) -> Pacing:
    pacing = Pacing(work=latency)
    if fault is None:
        return pacing
    if fault.kind is FaultKind.LATE_COMMIT:
        return replace(pacing, commits_in=fault.after)
    if fault.kind is FaultKind.LOST_NUMBER:
        return replace(pacing, is_lost=True)
    if fault.kind is FaultKind.PARTIAL:
        return replace(pacing, failing=frozenset(fault.elements or range(1, 50, 2)))
    return pacing


def _too_many() -> Response:
    return answer(error_collection("Rate limit exceeded."), 429)


def _refused_by(fault: Fault | None, *, is_gateway: bool) -> Response | None:
    """The answer of a fault that lets nothing happen."""
    kind = fault.kind if fault else None
    if kind is FaultKind.TOO_MANY_REQUESTS:
        return _too_many()
    if kind is FaultKind.UNAVAILABLE:
        return answer(error_collection("The service is temporarily unavailable."), 503)
    if kind is FaultKind.UNAUTHORIZED:
        return answer(unauthorized(is_gateway=is_gateway), 401)
    if kind is FaultKind.TAKEN_FOR_NOBODY:
        nothing = answer({"issues": [], "isLast": True, "issueErrors": []})
        nothing.headers["X-Seraph-LoginReason"] = "AUTHENTICATED_FAILED"
        return nothing
    if kind is FaultKind.HTML_PAGE:
        return HTMLResponse(_PAGE, 502)
    return None


def _spoiled(response: Response, kind: FaultKind | None) -> Response:
    """The answer as the fault lets it leave."""
    if kind is FaultKind.SERVER_ERROR_AFTER:
        return answer(error_collection("Internal server error"), 500)
    if kind is FaultKind.HTML_PAGE_AFTER:
        return HTMLResponse(_PAGE, 200)
    if kind is FaultKind.TRUNCATED and response.body:
        half = bytes(response.body)[: len(response.body) // 2]
        return Response(half, response.status_code, media_type="application/json;charset=UTF-8")
    return response


async def _send_half(arrival: _Arrival, response: Response, send: Send) -> None:
    body = bytes(response.body)
    if body:
        start: dict[str, Any] = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
        await send(start)
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        await asyncio.sleep(0.02)  # so that the half has left before the connection goes
    await connection_of(arrival.request.scope).reset(arrival.request.receive)
