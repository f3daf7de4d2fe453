"""Asks a model for the words of one ticket until they hold, or takes the fixed sentences."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import structlog
from pydantic import BaseModel, Field
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, RunContext, ToolOutput
from pydantic_ai.exceptions import (
    OutputTokenLimitExceeded,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
)
from pydantic_ai.usage import RunUsage, UsageLimits

from ticketgen.provides import Brief, Usage, WrittenText
from ticketgen_processing.models.access import ModelAccess
from ticketgen_processing.models.answers import Answer, problems_of, tidied
from ticketgen_processing.models.client import Asked, FailedRequestError, OpenedModel
from ticketgen_processing.models.facts import Facts, facts_of
from ticketgen_processing.models.failures import Meaning
from ticketgen_processing.models.prompting import INSTRUCTIONS, prompt_of
from ticketgen_processing.writing import write_from_template

__all__ = ["Asking"]

_log = structlog.get_logger(__name__)


class TicketWords(BaseModel):
    """The words of one ticket."""

    user_story: str = Field(description="As a …, I want …, so that …")
    success_criteria: list[str] = Field(description="Sentences a developer can tick off.")


@dataclass(kw_only=True)
class _Question:
    """What is known while one text is asked for."""

    facts: Facts
    answer: Answer | None = None
    refused: int = 0


class Asking:
    """The questions of one generation to one model."""

    def __init__(self, opened: OpenedModel) -> None:
        self._opened = opened
        self._questions = opened.access.limits.model_questions
        self._agent = _agent(opened.access.structure, self._questions)

    async def write(self, brief: Brief) -> WrittenText:
        """The model's words for a brief, or the fixed ones with a note that says why.

        Raises:
            TemporaryError: the model does not answer for now, or is asked too often.
            WriterNotSetUpError: it will not answer before somebody changes a setting.
        """
        question = _Question(facts=facts_of(brief))
        asked, usage = Asked(self._opened), RunUsage()
        try:
            why_not = await self._ask(brief, question, asked, usage)
        except BaseException as error:
            failure = error.failure if isinstance(error, FailedRequestError) else None
            told = failure.as_error(self._opened.access) if failure is not None else error
            if usage.input_tokens or usage.output_tokens:
                told.__dict__["usage"] = self._usage(asked, usage)
            if told is error:
                raise
            raise told from None
        used = self._usage(asked, usage)
        if why_not is None and question.answer is not None:
            answer = question.answer
            return WrittenText(
                user_story=answer.user_story,
                success_criteria=answer.success_criteria,
                usage=used,
            )
        _log.info(
            "model_text_replaced",
            writer=self._opened.access.writer,
            model=self._opened.access.model,
            ticket=brief.component.key,
            requests=used.requests,
            refused=question.refused,
        )
        fixed = write_from_template(brief.component, brief.site)
        return replace(fixed, notes=(*fixed.notes, why_not or ""), usage=used)

    async def _ask(
        self, brief: Brief, question: _Question, asked: Asked, usage: RunUsage
    ) -> str | None:
        """None when there is an answer, else a sentence that says why there is none."""
        prompt = prompt_of(
            brief,
            boundary=lambda: secrets.token_hex(8),
            longest=self._opened.access.limits.model_prompt_characters,
        )
        while True:
            try:
                await self._agent.run(
                    prompt,
                    model=asked,
                    deps=question,
                    usage=usage,
                    usage_limits=UsageLimits(request_limit=self._questions),
                    model_settings=self._opened.settings,
                )
            except OutputTokenLimitExceeded:
                if usage.requests >= self._questions:
                    return _note("its answers were cut off for their length")
                prompt = f"{prompt}\nAn earlier answer was cut off for its length: write less."
            except (UsageLimitExceeded, UnexpectedModelBehavior):
                return _note(_reason(question))
            except FailedRequestError as error:
                if error.failure.meaning is not Meaning.THIS_TEXT:
                    raise
                return _note("it does not take what the sheets say")
            else:
                return None

    def _usage(self, asked: Asked, usage: RunUsage) -> Usage:
        access = self._opened.access
        return Usage(
            model=access.model,
            requests=asked.requests,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost=_cost(access, usage),
        )


def _cost(access: ModelAccess, usage: RunUsage) -> Decimal | None:
    if not usage.input_tokens and not usage.output_tokens:
        # A server that does not count has not been free for that.
        return Decimal(0) if not usage.requests else None
    if access.prices is not None:
        return access.prices.of(usage.input_tokens, usage.output_tokens)
    return usage.cost


def _note(reason: str) -> str:
    return f"The words are the fixed sentences: a model was asked, and {reason}."


def _reason(question: _Question) -> str:
    if question.refused:
        return "what it wrote was refused, because it was not what the sheets say"
    return "it gave no answer in the form of a ticket"


def _agent(structure: str, questions: int) -> Agent[_Question, Any]:
    forms: dict[str, Any] = {
        "auto": TicketWords,
        "tool": ToolOutput(TicketWords, name="ticket"),
        "schema": NativeOutput(TicketWords, name="ticket"),
        "prompt": PromptedOutput(TicketWords, name="ticket"),
    }
    agent: Agent[_Question, Any] = Agent(
        output_type=forms[structure],
        instructions=INSTRUCTIONS,
        deps_type=_Question,
        retries={"tools": questions, "output": questions - 1},
    )
    agent.output_validator(_checked)
    return agent


def _checked(ctx: RunContext[_Question], words: TicketWords) -> TicketWords:
    """Keep an answer that holds.

    Raises:
        ModelRetry: it does not, and what is to be mended.
    """
    answer = tidied(words.user_story, words.success_criteria)
    problems = problems_of(answer, ctx.deps.facts)
    if problems:
        ctx.deps.refused += 1
        raise ModelRetry(_lines(problems))
    ctx.deps.answer = answer
    return words


def _lines(problems: Iterable[str]) -> str:
    return "\n".join(["The answer cannot be used.", *problems])
