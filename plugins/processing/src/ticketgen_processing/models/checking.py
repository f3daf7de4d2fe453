"""Asks a server whether it would answer for a model, at the price of next to nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelRequest

from ticketgen.provides import WriterHealth
from ticketgen_processing.models.access import ModelAccess
from ticketgen_processing.models.client import Asked, FailedRequestError, OpenedModel, open_model
from ticketgen_processing.models.failures import Failure, Meaning, failure_of

__all__ = ["check_model"]

_FEWEST_TOKENS = 16
_SILENT_AFTER = timedelta(seconds=6)
_NO_SUCH_ROUTE = frozenset({400, 404, 405, 501})


async def check_model(access: ModelAccess) -> WriterHealth:
    """Whether the model answers: its server is asked about it, or else it is asked for a word."""
    limits = access.limits.model_copy(
        update={
            "model_timeout": min(_SILENT_AFTER, access.limits.model_timeout),
            "model_output_tokens": _FEWEST_TOKENS,
        }
    )
    async with open_model(replace(access, limits=limits)) as opened:
        failure = await _about(opened)
        if failure is not None and (failure.is_unreadable or failure.status in _NO_SUCH_ROUTE):
            failure = await _a_word(opened)
    return _health(access, failure)


async def _about(opened: OpenedModel) -> Failure | None:
    try:
        found = await opened.client.with_options(max_retries=0).models.retrieve(opened.access.model)
    except Exception as error:
        return failure_of(error, opened.access)
    if isinstance(getattr(found, "id", None), str):
        return None
    # A page for people, for instance, under a wrong address.
    return Failure(meaning=Meaning.AGAIN, message="", is_unreadable=True)


async def _a_word(opened: OpenedModel) -> Failure | None:
    try:
        await model_request(
            Asked(opened, tries=1),
            [ModelRequest.user_text_prompt("Say yes.")],
            model_settings=opened.settings,
        )
    except FailedRequestError as error:
        return error.failure
    return None


def _health(access: ModelAccess, failure: Failure | None) -> WriterHealth:
    if failure is None:
        return WriterHealth(ready=True, message=f"{access.model} answers at {access.base_url}.")
    for_admin = failure.meaning is Meaning.SET_UP
    later = (
        "Try again in a moment.",
        f"If it lasts, ask an administrator whether {access.base_url} can be reached.",
    )
    return WriterHealth(
        ready=False,
        message=failure.message,
        recovery_actions=(failure.remedy,) if for_admin else later,
        for_admin=for_admin,
    )
