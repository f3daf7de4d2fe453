"""Where the API answers that the commands talk to, and with which token."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from ticketgen.embedded import attach
from ticketgen.errors import ConfigurationError
from ticketgen.settings import Settings, load_settings

__all__ = ["Place", "find_place"]

_URL = "TICKETGEN_API_URL"
_TOKEN = "TICKETGEN_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, kw_only=True)
class Place:
    """An API, and who we are there."""

    url: str
    token: str
    token_from: str
    """Where the token comes from, for whoever has to mend it."""
    local: bool
    """Whether it is the `ticketgen up` of this machine."""

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def find_place() -> Place:
    """The API that the environment names, else that of the running `ticketgen up`.

    Raises:
        ConfigurationError: neither is there, or the address or the token cannot be one.
    """
    url = _variable(_URL)
    token = _variable(_TOKEN)
    if url:
        return Place(
            url=_required_url(url),
            token=_required_token(token, _TOKEN),
            token_from=_TOKEN,
            local=False,
        )
    settings = load_settings()
    file = settings.data_dir / "token"
    return Place(
        url=_url_of_up(settings),
        token=_required_token(token or _token_of_up(settings), _TOKEN if token else str(file)),
        token_from=_TOKEN if token else f"the file {file}",
        local=True,
    )


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()  # noqa: TID251 - a client has no settings of the host


def _required_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable():
        raise ConfigurationError(
            f"{_URL} is no address of an API.",
            recovery_actions=["Give it as http://host:port or https://host."],
        )
    return url.rstrip("/")


def _required_token(token: str, source: str) -> str:
    if not token:
        raise ConfigurationError(
            f"{_URL} is set, and {source} is not.",
            recovery_actions=["Set it to a token from `ticketgen tokens create`, run at the API."],
        )
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigurationError(
            f"What {source} holds is no token.",
            recovery_actions=["Make a new one with `ticketgen tokens create`."],
        )
    return token


def _url_of_up(settings: Settings) -> str:
    endpoint = attach(settings.data_dir)
    if endpoint is None or "api_url" not in endpoint.extra:
        raise ConfigurationError(
            f"No `ticketgen up` is running in {settings.data_dir}, and {_URL} is not set.",
            recovery_actions=[
                "Start `ticketgen up` in another terminal, or name its folder with "
                "TICKETGEN_DATA_DIR.",
                f"Or name another API with {_URL}, and a token with {_TOKEN}.",
            ],
        )
    return str(endpoint.extra["api_url"])


def _token_of_up(settings: Settings) -> str:
    try:
        token = (settings.data_dir / "token").read_text().strip()
    except (OSError, UnicodeError):
        token = ""
    if not token:
        raise ConfigurationError(
            f"There is no token of `ticketgen up` in {settings.data_dir}.",
            recovery_actions=[
                f"Name one with {_TOKEN}, or start `ticketgen up` again, which makes a new one."
            ],
        )
    return token
