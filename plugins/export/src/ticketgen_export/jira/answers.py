"""Reads an answer of Jira: what it holds, or which error it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from ticketgen.errors import TicketgenError
from ticketgen_export.errors import (
    JiraBusyError,
    JiraGoneError,
    JiraPermissionError,
    JiraRefusedError,
    JiraUnansweredError,
    SiteAddressError,
)

__all__ = ["Answer", "messages_of", "refusal_of"]

_LONGEST_WORDS = 500
_PAUSE = timedelta(seconds=5)
"""Where a limit is used up and Jira does not say for how long."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    content: bytes

    @property
    def is_good(self) -> bool:
        """Whether Jira did what was asked."""
        return 200 <= self.status < 300

    @property
    def lacks_scope(self) -> bool:
        """Whether an OAuth token was refused for what it may not do, and not for its age.

        The gateway answers that with 401 too, so that only the words tell.
        """
        return self.status == 401 and b"scope does not match" in self.content

    @property
    def is_nobodys(self) -> bool:
        """Whether Jira took who asks for nobody: it answers, and leaves out what nobody may see.

        An API token that has expired or was revoked is not refused everywhere; the header tells.
        """
        reason = self.headers.get("x-seraph-loginreason", "")
        return any(word in reason for word in ("AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED"))

    @property
    def is_near_limit(self) -> bool:
        """Whether less than a fifth of a limit is left, as Jira says itself."""
        return self.headers.get("x-ratelimit-nearlimit", "").lower() == "true"

    def json(self) -> Any:
        """What a good answer holds; None if it is empty.

        Raises:
            JiraUnansweredError: it is no JSON, or not the whole of it.
        """
        if not self.content.strip():
            return None
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise JiraUnansweredError(
                "Jira answered with something that cannot be read.",
                technical_details={"status": self.status, "begins": self._beginning()},
            ) from error

    def error(self, what: str) -> TicketgenError:
        """Which error a bad answer is; `what` was being done: `create an issue`."""
        details = {"status": self.status, "begins": self._beginning()}
        if self.status == 429:
            return JiraBusyError(
                "Jira asks for a pause: its limit of calls is used up.",
                retry_after=self._retry_after() or _PAUSE,
                recovery_actions=["Wait: the export goes on by itself."],
                technical_details=details,
            )
        if 300 <= self.status < 400:
            return SiteAddressError(
                "The Jira site sends to another address, which is not followed.",
                recovery_actions=["Connect again with the address that the browser shows."],
                technical_details=details,
            )
        if self.lacks_scope:
            return JiraPermissionError(
                f"The OAuth application may not {what}: a scope is missing.",
                recovery_actions=[
                    "Ask an administrator to add the scopes of docs/connecting-jira.md to the "
                    "application, then connect again.",
                ],
                technical_details=details,
            )
        if self.status == 403:
            return JiraPermissionError(
                f"Jira does not let the connected account {what}.{_words(self)}",
                recovery_actions=["Ask an administrator of the Jira project for that permission."],
                technical_details=details,
            )
        if self.status in {404, 410}:
            return JiraGoneError(
                f"Jira does not find what is needed to {what}.{_words(self)}",
                recovery_actions=["See whether it was deleted, or is hidden from the account."],
                technical_details=details,
            )
        if 400 <= self.status < 500 and self.status not in {408, 425}:
            return refusal_of(self._errors(), what, details=details)
        return JiraUnansweredError(
            f"Jira failed for the moment (status {self.status}).",
            retry_after=self._retry_after(),
            recovery_actions=["Wait: the export goes on by itself."],
            technical_details=details,
        )

    def _errors(self) -> Mapping[str, Any]:
        try:
            read = json.loads(self.content)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    def _retry_after(self) -> timedelta | None:
        told = self.headers.get("retry-after", "").strip()
        if not told:
            return None
        try:
            seconds = float(told)
        except ValueError:
            try:
                seconds = (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
            except (ValueError, TypeError):
                return None
        return timedelta(seconds=max(0.0, seconds)) if seconds < 86_400 * 366 else None

    def _beginning(self) -> str:
        return self.content[:300].decode("utf-8", "replace")


def refusal_of(
    errors: Mapping[str, Any], what: str, *, details: Mapping[str, Any] | None = None
) -> JiraRefusedError:
    """The error that Jira's `ErrorCollection` says."""
    named = errors.get("errors")
    fields = {
        str(name): str(text) for name, text in (named if isinstance(named, dict) else {}).items()
    }
    said = messages_of(errors)
    return JiraRefusedError(
        f"Jira refused to {what}: {said or 'it does not say why'}"[:_LONGEST_WORDS],
        fields=fields,
        recovery_actions=["Change what Jira objects to, then start the export again."],
        technical_details=details or {},
    )


def messages_of(errors: Mapping[str, Any]) -> str:
    """Jira's own sentences, those about fields with the name of the field."""
    general = errors.get("errorMessages")
    named = errors.get("errors")
    said = [str(text) for text in general] if isinstance(general, list) else []
    if isinstance(named, dict):
        said += [f"{name}: {text}" for name, text in named.items()]
    return " ".join(said)[:_LONGEST_WORDS]


def _words(answer: Answer) -> str:
    said = messages_of(answer._errors())
    return f" It says: {said}" if said else ""
