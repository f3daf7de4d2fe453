"""What a model has answered, tidied, and what is wrong with it as the words of a ticket."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ticketgen_processing.models.facts import Facts
from ticketgen_processing.models.grounding import addresses_in, unfounded
from ticketgen_processing.models.orders import speaks_to_a_model

__all__ = ["Answer", "problems_of", "tidied"]

_LONGEST_STORY = 1500
_LONGEST_CRITERION = 500
_MOST_CRITERIA = 15
_MOST_NAMED = 12
_STORY = re.compile(r"as\s+(?:an?|the)\s.+\b(?:i|we)\s+(?:want|need|can|would)\b", re.I | re.S)
_MARK = re.compile(r"^(?:[-*•–]|\d{1,2}[.)]|\[[ x]?\]|#+)\s+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The two parts that a model writes."""

    user_story: str
    success_criteria: tuple[str, ...]


def tidied(user_story: str, success_criteria: Sequence[str]) -> Answer:
    """The same without what no ticket can show, list marks, and empty lines."""
    parts = [_line(part) for part in re.split(r"\n\s*\n", user_story)]
    criteria = [_unmarked(_line(text)) for text in success_criteria]
    return Answer(
        user_story="\n\n".join(part for part in parts if part),
        success_criteria=tuple(text for text in criteria if text),
    )


def problems_of(answer: Answer, facts: Facts) -> tuple[str, ...]:
    """Sentences for the model that say what to mend; none is a good answer."""
    texts = (answer.user_story, *answer.success_criteria)
    return (*_form(answer), *_contents(texts, facts))


def _form(answer: Answer) -> Iterator[str]:
    if not _STORY.match(answer.user_story):
        yield "Begin the user story with “As a …, I want …”."
    if len(answer.user_story) > _LONGEST_STORY:
        yield f"Keep the user story within {_LONGEST_STORY} characters."
    if not answer.success_criteria:
        yield "Give success criteria."
    if len(answer.success_criteria) > _MOST_CRITERIA:
        yield f"Give at most {_MOST_CRITERIA} success criteria."
    if any(len(text) > _LONGEST_CRITERION for text in answer.success_criteria):
        yield f"Keep each success criterion within {_LONGEST_CRITERION} characters."


def _contents(texts: Sequence[str], facts: Facts) -> Iterator[str]:
    looked_at = [text[: 2 * _LONGEST_STORY] for text in texts[: 2 * _MOST_CRITERIA]]
    if any(speaks_to_a_model(text) for text in looked_at):
        yield "Write about the component only; orders to a model have no place in a ticket."
    addresses = addresses_in(looked_at)
    if addresses:
        yield f"Leave out web and e-mail addresses: {_listed(addresses)}."
    strange = [one for one in unfounded(looked_at, facts) if one not in addresses]
    if strange:
        yield (
            f"The data does not have: {_listed(strange)}. Leave it out, or say it in ordinary "
            "words in lower case, without quotes and numbers."
        )


def _listed(found: Sequence[str]) -> str:
    return ", ".join(f"“{one[:80]}”" for one in found[:_MOST_NAMED])


def _line(text: str) -> str:
    # What is invisible, or turns the direction of writing, hides what a text says.
    visible = "".join(
        " " if char.isspace() else char
        for char in text
        if char.isspace() or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )
    return " ".join(visible.split())


def _unmarked(text: str) -> str:
    while (bare := _MARK.sub("", text)) != text:
        text = bare
    return text
