"""Which addresses of sites are taken: https, or http on this very machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

from ticketgen_export.errors import SiteAddressError

__all__ = ["is_loopback", "require_askable", "site_address"]

_PORTS = {"https": 443, "http": 80}

_METADATA = frozenset({"100.100.100.200", "fd00:ec2::254"})
"""Where clouds tell a machine its secrets; their other address is link-local."""

_NAME_SECONDS = 5.0


def site_address(text: str) -> str:
    """The one spelling of a site's address: lower case, no usual port, no dot or slash at its end.

    Issues are known by the site they are on, so that two spellings would be two sites.

    Raises:
        SiteAddressError: it is none, is not encrypted, or holds more than a site.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise _refused("This is no address of a site.") from None
    host = _spelled(parts.hostname or "")
    if parts.scheme not in _PORTS or not host:
        raise _refused("This is no address of a site.")
    if parts.username is not None or parts.password is not None:
        raise _refused("The address holds a name or a password.")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise _refused("The address holds more than the site.")
    if parts.scheme == "http" and not is_loopback(host):
        raise _refused("The site has to be asked over https.")
    if _is_closed(host):
        raise _refused("No site is asked at this address.")
    place = f"[{host}]" if ":" in host else host
    is_usual = port is None or port == _PORTS[parts.scheme]
    return f"{parts.scheme}://{place}" + ("" if is_usual else f":{port}")


def is_loopback(host: str) -> bool:
    """Whether the name or number of a host means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def require_askable(site: str) -> None:
    """Refuse a site whose name leads where nobody is asked; one that leads nowhere is let through.

    Raises:
        SiteAddressError: one of its addresses is link-local, multicast, or stands for none.
    """
    host = urlsplit(site).hostname or ""
    try:
        async with asyncio.timeout(_NAME_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, None, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError, TimeoutError):
        return  # asking the site says so, or a proxy knows the name
    if any(_is_closed(str(address[0]).partition("%")[0]) for *_, address in found):
        raise _refused("No site is asked at this address.")


def _is_closed(host: str) -> bool:
    """Whether it is the number of something that can be no site."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    meant = inner or address
    return (
        meant.is_link_local
        or meant.is_multicast
        or meant.is_unspecified
        or (meant.version == 4 and meant.is_reserved)
        or str(meant) in _METADATA
    )


def _spelled(host: str) -> str:
    """The host as it is asked for, in one spelling; empty if it is none."""
    import httpx2  # not at the top: see `jira.client`

    if any(sign in "\\%<>\"' \t\r\n" for sign in host):
        return ""
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        pass  # a name
    try:
        host.encode("idna")  # which is stricter about labels than the client is
        name = httpx2.URL(f"https://{host}").raw_host.decode("ascii")
    except (UnicodeError, httpx2.InvalidURL):
        return ""
    return name.removesuffix(".").lower()


def _refused(message: str) -> SiteAddressError:
    return SiteAddressError(
        message, recovery_actions=["Give it like this: https://your-site.atlassian.net"]
    )
