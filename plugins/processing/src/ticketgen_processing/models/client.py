"""Opens a model behind its server: one pool of connections, bounded answers, tries and waits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import stamina
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from ticketgen_processing.models.access import ModelAccess
from ticketgen_processing.models.failures import Failure, Meaning, failure_of
from ticketgen_processing.models.pacing import Pace

__all__ = ["Asked", "FailedRequestError", "OpenedModel", "open_model"]

_LONGEST_ANSWER = 8 * 1024 * 1024
_NO_KEY = "none"
"""What a server that wants no key is sent in its place."""


class FailedRequestError(Exception):
    """A request that failed; a repeated one for the last time."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class OpenedModel:
    """A model and its connections, for the length of one generation."""

    def __init__(self, access: ModelAccess, model: Model, client: Any) -> None:
        self.access = access
        self.model = model
        self.client = client
        """The package's own client, for what is no question."""
        self.at_once = asyncio.Semaphore(access.limits.model_concurrency)
        """Requests in flight; more hands than that prepare theirs meanwhile."""
        self.pace = Pace(per_minute=access.limits.model_requests_per_minute)
        self.settings = ModelSettings(
            max_tokens=access.limits.model_output_tokens,
            timeout=access.limits.model_timeout.total_seconds(),
            # All tries are counted here; those of the package would multiply them.
            max_retries=0,
        )


class Asked(WrapperModel):
    """A model as it is asked for one text: requests are counted, paced, and sent again."""

    def __init__(self, opened: OpenedModel, *, tries: int | None = None) -> None:
        super().__init__(opened.model)
        self._opened = opened
        self._tries = tries or opened.access.limits.model_tries
        self.requests = 0
        """All that were sent, in vain or not."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer to one question, however many requests it takes.

        Raises:
            FailedRequestError: none came, and what that means.
        """
        limits = self._opened.access.limits
        first = limits.model_first_wait.total_seconds()
        async for attempt in stamina.retry_context(
            on=self._wait,
            attempts=self._tries,
            timeout=None,
            wait_initial=first,
            wait_max=limits.model_longest_wait,
            wait_jitter=first,
        ):
            with attempt:
                async with self._opened.at_once:
                    await self._opened.pace.turn()
                    return await self._sent(messages, model_settings, model_request_parameters)
        raise AssertionError("a context of tries ends by an answer or an error")

    def _wait(self, error: Exception) -> bool | float:
        """Seconds that the server asks for, True for ours, False if it is not worth another try."""
        if not isinstance(error, FailedRequestError):
            return False
        failure = error.failure
        if failure.retry_after is None or failure.meaning is not Meaning.BUSY:
            return failure.meaning in {Meaning.BUSY, Meaning.AGAIN}
        if failure.retry_after > self._opened.access.limits.model_longest_wait.total_seconds():
            return False
        # The others need not ask what is known; they do not all come back in one moment either.
        self._opened.pace.hold(failure.retry_after)
        return failure.retry_after * random.uniform(1.0, 1.1)  # noqa: S311

    async def _sent(self, messages: Any, settings: Any, parameters: Any) -> ModelResponse:
        access = self._opened.access
        self.requests += 1
        try:
            async with asyncio.timeout(access.limits.model_timeout.total_seconds()):
                return await self.wrapped.request(messages, settings, parameters)
        except UserError:
            raise
        except Exception as error:
            # Whatever a server sends, what the package makes of it is the server's failure.
            raise FailedRequestError(failure_of(error, access)) from None


@asynccontextmanager
async def open_model(access: ModelAccess) -> AsyncIterator[OpenedModel]:
    """The model of an access, with a client that calls its server and no other."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
    async with _BoundedClient(
        timeout=access.limits.model_timeout.total_seconds(),
        limits=limits,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
    ) as http:
        yield _model(access, http)


class _BoundedClient(httpx2.AsyncClient):
    """Gives up an answer that grows beyond all measure."""

    async def send(self, request: httpx2.Request, *, stream: bool = False, **more: Any) -> Any:
        """As in any client."""
        response = await super().send(request, stream=True, **more)
        response.stream = _Bounded(response.stream)
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0
        async for chunk in self._stream:
            length += len(chunk)
            if length > _LONGEST_ANSWER:
                raise httpx2.RemoteProtocolError(f"an answer of more than {_LONGEST_ANSWER} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _model(access: ModelAccess, http: httpx2.AsyncClient) -> OpenedModel:
    key = access.key.get_secret_value() if access.key is not None else _NO_KEY
    if access.writer == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        anthropic = AnthropicProvider(api_key=key, base_url=access.base_url, http_client=http)
        return OpenedModel(
            access, AnthropicModel(access.model, provider=anthropic), anthropic.client
        )
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    openai: OpenAIProvider | OpenAICompatibleProvider = (
        OpenAIProvider(base_url=access.base_url, api_key=key, http_client=http)
        if access.is_original
        # A model of the same name elsewhere has another price.
        else OpenAICompatibleProvider(
            "openai-compatible", base_url=access.base_url, api_key=key, http_client=http
        )
    )
    return OpenedModel(access, OpenAIChatModel(access.model, provider=openai), openai.client)
