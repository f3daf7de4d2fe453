"""What a site of Jira is asked about a connection: who it is let in as, and what it may do."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from ticketgen_export.connections.access import Access
from ticketgen_export.connections.addresses import require_askable
from ticketgen_export.errors import SiteRefusedError, SiteUnreachableError

if TYPE_CHECKING:
    import httpx2  # see `jira.client`

__all__ = [
    "PERMISSIONS",
    "Account",
    "Http",
    "basic",
    "fetch",
    "first_look",
    "permissions_in",
    "plain",
    "whoami",
]

_log = structlog.get_logger(__name__)

Http: TypeAlias = "Callable[[], httpx2.AsyncClient]"
"""Gives the process's one HTTP client, which is made when it is first needed."""

PERMISSIONS = (
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "ASSIGN_ISSUES",
    "CREATE_ATTACHMENTS",
    "LINK_ISSUES",
    "SCHEDULE_ISSUES",
)
"""What an export needs in a project."""

_LONGEST_ANSWER = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whom a site lets in."""

    id: str
    name: str


def basic(email: str, token: str) -> str:
    """The value of `Authorization` for an e-mail address and an API token."""
    return "Basic " + base64.b64encode(f"{email}:{token}".encode()).decode()


async def first_look(http: Http, access: Access) -> Account | None:
    """As `whoami`, at an address that anybody may have given.

    Every failure is told in one sentence: else the server would tell its users what there is
    in its network.

    Raises:
        SiteAddressError: the name leads where nobody is asked.
        SiteRefusedError: it does not answer, or not as Jira does.
    """
    await require_askable(access.site_url)
    try:
        return await whoami(http, access)
    except (SiteRefusedError, SiteUnreachableError) as error:
        _log.warning(
            "site_not_connected",
            site=access.site_url,
            code=error.code,
            reason=error.message,
            details=error.technical_details,
        )
        raise SiteRefusedError(
            f"{access.site_url} does not answer as a Jira Cloud site does.",
            recovery_actions=[
                "Give the address that the browser shows for your Jira; redirects are not "
                "followed.",
                "If that is the address, try again in a moment.",
                "An administrator finds the reason in the server's log.",
            ],
        ) from None


async def whoami(http: Http, access: Access) -> Account | None:
    """The account the site lets in; None if it refuses the token.

    Raises:
        SiteRefusedError: it answers, and not as Jira does.
        SiteUnreachableError: it does not answer.
    """
    status, answer = await fetch(http, "GET", f"{access.api_url}/rest/api/3/myself", access=access)
    if status == 401:
        return None
    account_id = answer.get("accountId")
    if status != 200 or not isinstance(account_id, str):
        raise _no_jira(access, status)
    name = answer.get("displayName") or answer.get("emailAddress") or account_id
    return Account(id=plain(account_id)[:200], name=plain(str(name))[:300])


async def permissions_in(http: Http, access: Access, project_key: str) -> dict[str, bool] | None:
    """Permission → whether the account has it in the project; None if there is no such project.

    Raises:
        SiteRefusedError: the site answers, and not as Jira does.
        SiteUnreachableError: it does not answer.
    """
    status, answer = await fetch(
        http,
        "GET",
        f"{access.api_url}/rest/api/3/mypermissions",
        access=access,
        params={"projectKey": project_key, "permissions": ",".join(PERMISSIONS)},
    )
    if status == 404:
        return None
    found = answer.get("permissions")
    if status != 200 or not isinstance(found, Mapping):
        raise _no_jira(access, status)
    return {name: bool((found.get(name) or {}).get("havePermission")) for name in PERMISSIONS}


async def fetch(
    http: Http, method: str, url: str, *, access: Access | None = None, **more: Any
) -> tuple[int, Mapping[str, Any]]:
    """Status and JSON object of an answer, `{}` if it is none; a list comes as `{"items": …}`.

    Redirects are not followed: they would carry the token elsewhere.

    Raises:
        SiteUnreachableError: no answer, one that is too long, or an error of the server.
    """
    import httpx2

    headers = {"Accept": "application/json"}
    if access is not None:
        headers["Authorization"] = access.authorization
    host = httpx2.URL(url).host
    client = http()
    try:
        # The client's own limit is for each piece that is read.
        async with (
            asyncio.timeout(client.timeout.read),
            client.stream(method, url, headers=headers, follow_redirects=False, **more) as response,
        ):
            content = b""
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _LONGEST_ANSWER:
                    raise _silent(host, "its answer is too long")
    except (httpx2.HTTPError, TimeoutError) as error:
        # The text of such an error may quote what was sent.
        raise _silent(host, type(error).__name__) from None
    if response.status_code == 429 or response.status_code >= 500:
        raise _silent(host, f"it answers {response.status_code}")
    return response.status_code, _object(content)


def plain(text: str) -> str:
    """What a site says, in one line and without signs that no column holds."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    if isinstance(answer, list):
        return {"items": answer}
    return answer if isinstance(answer, dict) else {}


def _silent(host: str, why: str) -> SiteUnreachableError:
    return SiteUnreachableError(
        f"{host} does not answer as it should.",
        recovery_actions=["Try again in a moment."],
        technical_details={"reason": why},
    )


def _no_jira(access: Access, status: int) -> SiteRefusedError:
    if 300 <= status < 400:
        message = f"{access.site_url} sends elsewhere; redirects are not followed."
    elif status == 403:
        message = f"{access.site_url} forbids it to this account."
    else:
        message = f"{access.site_url} is no site of Jira Cloud: it answers {status}."
    return SiteRefusedError(
        message, recovery_actions=["Give the address that the browser shows for your Jira."]
    )
