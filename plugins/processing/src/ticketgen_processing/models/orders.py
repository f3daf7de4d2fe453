"""Tells a text that speaks to a language model from one that describes a site."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["speaks_to_a_model"]

_BEFORE = r"(?:all|any|every|the|these|those|your|my|our|previous|prior|earlier|above|preceding)"
_RULES = r"(?:instruction|prompt|rule|order|direction|guideline|command|context|message)s?"
_ORDERS = re.compile(
    "|".join(
        (
            rf"\b(?:ignore|disregard|forget|override|bypass|skip)\b(?:\W+\w+){{0,3}}?\W+{_BEFORE}"
            rf"(?:\W+\w+){{0,3}}?\W+{_RULES}\b",
            rf"\b(?:new|updated|real|actual|following|hidden)\W+(?:system\W+)?{_RULES}\W*:",
            r"\b(?:system|developer)\W+(?:prompt|message|instruction)s?\b",
            r"\byou\W+(?:are|were)\W+(?:now|no longer|an?\W+(?:ai|assistant|chatbot|llm))\b",
            r"\b(?:as|dear|hey|attention)\W+(?:an?\W+)?(?:ai|llm|language model|assistant)\b",
            r"(?:^|\n)\s*(?:#+\s*)?(?:system|assistant|developer)\s*:",
            r"<\|?\s*/?\s*(?:im_start|im_end|system|assistant|endoftext|end_of_text)\b",
            r"\b(?:respond|reply|answer)\W+(?:only|exactly|with|nothing\W+but)\b",
            r"\binstead\W+of\W+(?:the|a|your)\W+(?:user\W+story|ticket|story|criteria)\b",
            r"\b(?:jailbreak|prompt\W+injection|dan\W+mode)\b",
        )
    ),
    re.IGNORECASE,
)


def speaks_to_a_model(text: str) -> bool:
    """Whether it reads as an order to whoever writes from it, such as `ignore all instructions`.

    It sees the usual ones, in English. What it misses is data to the model all the same, and what
    the model makes of it is checked.
    """
    return _ORDERS.search(unicodedata.normalize("NFKC", text)) is not None
