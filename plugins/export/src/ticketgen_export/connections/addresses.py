"""Which addresses of sites are taken: https, or http on this very machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ticketgen_export.errors import SiteAddressError

__all__ = ["is_loopback", "site_address"]


def site_address(text: str) -> str:
    """The address of a site without a slash at its end, host in lower case.

    Raises:
        SiteAddressError: it is none, is not encrypted, or holds more than a site.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise _refused("This is no address of a site.") from None
    host = (parts.hostname or "").encode("idna").decode() if _plain(parts.hostname) else ""
    if parts.scheme not in {"http", "https"} or not host:
        raise _refused("This is no address of a site.")
    if parts.username is not None or parts.password is not None:
        raise _refused("The address holds a name or a password.")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise _refused("The address holds more than the site.")
    if parts.scheme == "http" and not is_loopback(host):
        raise _refused("The site has to be asked over https.")
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}" + (f":{port}" if port is not None else "")


def is_loopback(host: str) -> bool:
    """Whether the name or number of a host means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _plain(host: str | None) -> bool:
    try:
        (host or "").encode("idna")
    except UnicodeError:
        return False
    return bool(host) and not any(sign in "\\%<>\"' \t\r\n" for sign in host or "")


def _refused(message: str) -> SiteAddressError:
    return SiteAddressError(
        message, recovery_actions=["Give it like this: https://your-site.atlassian.net"]
    )
