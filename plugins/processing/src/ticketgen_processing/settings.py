"""What an operator can set for this plugin, each with the prefix `TICKETGEN_PROCESSING_`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from annotated_types import Gt, Le
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from ticketgen import Duration

__all__ = ["ANTHROPIC_URL", "OPENAI_URL", "ProcessingSettings"]

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("give an address that begins with https:// or http:// and names a host")
    if parts.username or parts.password:
        raise ValueError("leave name and password out of the address; the key is a setting")
    if parts.query or parts.fragment:
        raise ValueError("leave out what follows the path: `?` and `#`")
    return url.rstrip("/")


_Address = Annotated[str, AfterValidator(_address)]
_Price = Annotated[Decimal, Field(ge=0)]
_Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\S+$")]


class ProcessingSettings(BaseSettings):
    """Settings of the plugin `processing`."""

    # What was given is not repeated where it is refused: it may be a key.
    model_config = SettingsConfigDict(hide_input_in_errors=True, frozen=True)

    budget: Decimal = Field(
        default=Decimal(10),
        ge=0,
        description="US dollars that the writers of one session may spend, all its runs together.",
    )

    openai_api_key: SecretStr | None = Field(
        default=None,
        description="Key for the writer `openai`; a server of your own may need none.",
    )
    openai_base_url: _Address = Field(
        default=OPENAI_URL,
        description="The server of the writer `openai`; any with the same interface will do.",
    )
    openai_model: _Name = Field(
        default="gpt-6-luna", description="The model that the writer `openai` asks."
    )
    openai_structure: Literal["auto", "tool", "schema", "prompt"] = Field(
        default="auto",
        description=(
            "How that model is asked for a structured answer: by a `tool` call, by a JSON "
            "`schema`, or in the `prompt` alone; `auto` knows the models of OpenAI."
        ),
    )
    openai_input_price: _Price | None = Field(
        default=None,
        description="US dollars for a million input tokens; unset: the list price, if known.",
    )
    openai_output_price: _Price | None = Field(
        default=None, description="The same for output tokens; set both or neither."
    )

    anthropic_api_key: SecretStr | None = Field(
        default=None, description="Key for the writer `anthropic`."
    )
    anthropic_base_url: _Address = Field(
        default=ANTHROPIC_URL, description="The server of the writer `anthropic`."
    )
    anthropic_model: _Name = Field(
        default="claude-haiku-5-5", description="The model that the writer `anthropic` asks."
    )
    anthropic_input_price: _Price | None = Field(
        default=None,
        description="US dollars for a million input tokens; unset: the list price, if known.",
    )
    anthropic_output_price: _Price | None = Field(
        default=None, description="The same for output tokens; set both or neither."
    )

    model_concurrency: int = Field(
        default=8, ge=1, le=100, description="Texts that one generation asks a model for at once."
    )
    model_requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        description="Requests that one generation sends a model in a minute; unset: no limit.",
    )
    model_timeout: Annotated[Duration, Gt(timedelta(0))] = Field(
        default=timedelta(seconds=90), description="Longest a model may take for one answer."
    )
    model_tries: int = Field(
        default=4,
        ge=1,
        le=20,
        description=(
            "How often one request is sent while the server is busy, fails or is silent, before "
            "the run is put off."
        ),
    )
    model_first_wait: Duration = Field(
        default=timedelta(seconds=1),
        description="Wait before the second try; later ones wait longer, or as the server asks.",
    )
    model_longest_wait: Annotated[Duration, Le(timedelta(minutes=10))] = Field(
        default=timedelta(seconds=60),
        description="Longest wait inside a run; if a server asks for more, the run is put off.",
    )
    model_questions: int = Field(
        default=3,
        ge=1,
        le=10,
        description="How often a model is asked for one text before the fixed sentences are taken.",
    )
    model_output_tokens: int = Field(
        default=4000,
        ge=200,
        le=16_000,
        description="Most tokens of one answer, those of its thinking included.",
    )
    model_prompt_characters: int = Field(
        default=24_000,
        ge=4000,
        le=400_000,
        description="Most characters of the sheets that one question holds; long ones are cut.",
    )
