"""What the writing of tickets by a model is going to take, computed from what it would be asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from ticketgen.provides import Brief, WritingEstimate
from ticketgen_processing.models.access import ModelAccess
from ticketgen_processing.models.prompting import INSTRUCTIONS, prompt_of

__all__ = ["estimate_of"]

_CHARACTERS_A_TOKEN = 3.6
_FORM_TOKENS = 200
"""What the form of the answer adds to a question."""
_ANSWER_TOKENS = 450
_SECONDS_AN_ANSWER = 8.0
_ASKED_AGAIN = 1.15
"""So many questions a text takes on average: some answers are refused."""


def estimate_of(access: ModelAccess, briefs: Sequence[Brief]) -> WritingEstimate:
    """Tokens, price and time for a text of each brief; nobody is asked."""
    if not briefs:
        return WritingEstimate()
    longest = access.limits.model_prompt_characters
    characters = sum(
        len(INSTRUCTIONS) + len(prompt_of(brief, boundary=lambda: "0" * 16, longest=longest))
        for brief in briefs
    )
    questions = len(briefs) * _ASKED_AGAIN
    input_tokens = (characters / _CHARACTERS_A_TOKEN + len(briefs) * _FORM_TOKENS) * _ASKED_AGAIN
    answer_tokens = min(_ANSWER_TOKENS, access.limits.model_output_tokens)
    return WritingEstimate(
        input_tokens=round(input_tokens),
        output_tokens=round(questions * answer_tokens),
        cost=_cost(access, questions, round(input_tokens / questions), answer_tokens),
        duration=timedelta(seconds=round(_seconds(access, questions))),
    )


def _seconds(access: ModelAccess, questions: float) -> float:
    limits = access.limits
    at_once = questions / limits.model_concurrency * _SECONDS_AN_ANSWER
    by_pace = questions / (limits.model_requests_per_minute or float("inf")) * 60
    return max(at_once, by_pace, _SECONDS_AN_ANSWER)


def _cost(access: ModelAccess, questions: float, asked: int, answered: int) -> Decimal | None:
    """Question by question: some prices go up with the length of one."""
    if access.prices is not None:
        price = access.prices.of(asked, answered)
    elif access.writer == "openai" and not access.is_original:
        return None
    else:
        listed = _list_price(access, asked, answered)
        if listed is None:
            return None
        price = listed
    return (price * Decimal(questions)).quantize(Decimal("0.0001"))


def _list_price(access: ModelAccess, asked: int, answered: int) -> Decimal | None:
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    try:
        usage = Usage(input_tokens=asked, output_tokens=answered)
        return calc_price(usage, access.model, provider_id=access.writer).total_price
    except (LookupError, ValueError):
        return None
