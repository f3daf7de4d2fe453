"""What a failed request to a model means: to be sent again, to be set up, or not for this text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelTimeoutError,
)

from ticketgen.errors import RateLimitedError, TemporaryError, TicketgenError
from ticketgen_processing.errors import WriterNotSetUpError
from ticketgen_processing.models.access import PREFIX, ModelAccess

__all__ = ["Failure", "Meaning", "failure_of"]

_CODE = re.compile(r"[a-z][a-z0-9_.-]{0,60}")
_AGAIN = frozenset({408, 409, 425, 529})


class Meaning(StrEnum):
    """What is to be done about a failure."""

    BUSY = "busy"
    """Wait for as long as the server says, and send it again."""
    AGAIN = "again"
    SET_UP = "set_up"
    """Somebody has to change a setting or an account."""
    THIS_TEXT = "this_text"
    """The server answers, but not to this question."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed request, without a word of the server's own: it may repeat the key."""

    meaning: Meaning
    message: str
    remedy: str = ""
    status: int | None = None
    code: str = ""
    retry_after: float | None = None
    is_unreadable: bool = False
    """Whether there was an answer, but none that the interface knows."""

    def as_error(self, access: ModelAccess) -> TicketgenError:
        """What a run, or a person who wants to start one, is told."""
        details = {"status": self.status, "code": self.code, "model": access.model}
        if self.meaning is Meaning.SET_UP:
            return WriterNotSetUpError(
                self.message,
                recovery_actions=[self.remedy, "Choose the writer `template` for the session."],
                technical_details=details,
            )
        wait = timedelta(seconds=self.retry_after) if self.retry_after is not None else None
        if self.meaning is Meaning.BUSY:
            return RateLimitedError(
                self.message,
                retry_after=wait,
                recovery_actions=[
                    "Wait: what is written is kept, and the rest is tried again by itself.",
                    f"If it lasts, ask an administrator to lower {PREFIX}MODEL_CONCURRENCY.",
                ],
                technical_details=details,
            )
        return TemporaryError(
            self.message,
            retry_after=wait,
            recovery_actions=[
                "Wait: what is written is kept, and the rest is tried again by itself.",
                f"If it lasts, ask an administrator whether {access.base_url} can be reached.",
            ],
            technical_details=details,
        )


def failure_of(error: Exception, access: ModelAccess) -> Failure:
    """What the error of a request means; one that is not known is worth another try."""
    if isinstance(error, ModelContextWindowExceededError | ContentFilterError):
        return Failure(meaning=Meaning.THIS_TEXT, message="The model does not take the question.")
    # A redirect that is not followed comes wrapped.
    status = getattr(error, "status_code", getattr(error.__cause__, "status_code", None))
    if isinstance(status, int):
        return _of_status(status, error, access)
    # The packages have errors of the same names, without a common root.
    name = type(error).__name__
    if isinstance(error, ModelTimeoutError | TimeoutError) or name == "APITimeoutError":
        message = f"{access.model} has not answered in time."
    elif isinstance(error, ModelAPIError) or name == "APIConnectionError":
        message = f"The server of {access.model} cannot be reached, or breaks off its answer."
    else:
        message = f"The server of {access.model} answers with something that cannot be read."
        return Failure(meaning=Meaning.AGAIN, message=message, code=name, is_unreadable=True)
    return Failure(meaning=Meaning.AGAIN, message=message, code=name)


def _of_status(status: int, error: Exception, access: ModelAccess) -> Failure:
    code = _code(error)
    wait = error.retry_after if isinstance(error, ModelHTTPError) else None
    if isinstance(error, ModelQuotaExceededError) or status == 402:
        return Failure(
            meaning=Meaning.SET_UP,
            message=f"The account for {access.model} has no credit left.",
            remedy=f"Ask an administrator to fill up the account of {access.key_setting}.",
            status=status,
            code=code,
        )
    if status == 429:
        message = f"The limit of requests to {access.model} is used up for now."
        meaning = Meaning.BUSY
    elif status >= 500 or status in _AGAIN:
        message = f"The server of {access.model} fails for the moment (status {status})."
        meaning = Meaning.BUSY if wait is not None else Meaning.AGAIN
    elif status == 413:
        return Failure(meaning=Meaning.THIS_TEXT, message="The question is too long.")
    else:
        return _of_refusal(status, code, access)
    return Failure(meaning=meaning, message=message, status=status, code=code, retry_after=wait)


def _of_refusal(status: int, code: str, access: ModelAccess) -> Failure:
    if status in {401, 403}:
        message = f"{access.base_url} does not accept the key of the writer `{access.writer}`."
        remedy = f"Ask an administrator to correct {access.key_setting}."
    elif status == 404:
        message = f"{access.base_url} has no model {access.model!r}."
        remedy = (
            f"Ask an administrator to correct {access.setting('MODEL')} or "
            f"{access.setting('BASE_URL')}."
        )
    elif status < 400:
        message = f"{access.base_url} sends requests on to another address, which is not followed."
        remedy = f"Ask an administrator to set {access.setting('BASE_URL')} to the right address."
    else:
        named = f", {code}" if code else ""
        message = f"{access.base_url} refuses to ask {access.model} (status {status}{named})."
        remedy = (
            f"Ask an administrator whether {access.setting('MODEL')} is a model for texts that "
            "can give structured answers."
        )
    return Failure(meaning=Meaning.SET_UP, message=message, remedy=remedy, status=status, code=code)


def _code(error: Any) -> str:
    """The provider's own name for the error, if it looks like one and not like a sentence."""
    for name in ("provider_error_code", "provider_error_type", "code", "type"):
        code = getattr(error, name, None)
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code
    return ""
