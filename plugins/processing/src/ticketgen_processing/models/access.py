"""How a writer reaches its model: server, key, limits and prices, from the plugin's settings."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from pydantic import SecretStr

from ticketgen_processing.errors import WriterNotSetUpError
from ticketgen_processing.settings import ANTHROPIC_URL, OPENAI_URL, ProcessingSettings

__all__ = ["ModelAccess", "Prices", "access_of", "require_set_up"]

PREFIX = "TICKETGEN_PROCESSING_"


@dataclass(frozen=True, kw_only=True)
class Prices:
    """US dollars for a million tokens, as an operator gives them."""

    input: Decimal
    output: Decimal

    def of(self, input_tokens: int, output_tokens: int) -> Decimal:
        """What so many tokens cost."""
        return (self.input * input_tokens + self.output * output_tokens) / 1_000_000


@dataclass(frozen=True, kw_only=True)
class ModelAccess:
    """One model of one server, and how it is to be asked."""

    writer: str
    """`openai` or `anthropic`: the interface that is spoken, and the package that speaks it."""
    model: str
    base_url: str
    key: SecretStr | None
    is_original: bool
    """Whether it is the maker's own server: its models have list prices, and it wants a key."""
    structure: str
    prices: Prices | None
    limits: ProcessingSettings
    """Waits, tries and sizes, the same for all models."""

    @property
    def key_setting(self) -> str:
        """The variable that holds the key."""
        return f"{PREFIX}{self.writer.upper()}_API_KEY"

    def setting(self, name: str) -> str:
        """The variable of another setting of the same writer."""
        return f"{PREFIX}{self.writer.upper()}_{name}"


def access_of(writer: str, settings: Any) -> ModelAccess:
    """The access of the writer `openai` or `anthropic`; without settings, by their defaults."""
    known = settings if isinstance(settings, ProcessingSettings) else ProcessingSettings()
    of_writer = {
        name: getattr(known, f"{writer}_{name}")
        for name in ("api_key", "base_url", "model", "input_price", "output_price")
    }
    prices = None
    if of_writer["input_price"] is not None and of_writer["output_price"] is not None:
        prices = Prices(input=of_writer["input_price"], output=of_writer["output_price"])
    key = of_writer["api_key"]
    return ModelAccess(
        writer=writer,
        model=of_writer["model"],
        base_url=of_writer["base_url"],
        key=key if key is not None and key.get_secret_value().strip() else None,
        is_original=of_writer["base_url"] in {OPENAI_URL, ANTHROPIC_URL},
        structure=known.openai_structure if writer == "openai" else "auto",
        prices=prices,
        limits=known,
    )


def require_set_up(access: ModelAccess) -> None:
    """Return if package and key are there.

    Raises:
        WriterNotSetUpError: one is missing; the message says which, and how it is added.
    """
    needed = ("pydantic_ai", access.writer, "stamina")
    if any(find_spec(package) is None for package in needed):
        raise WriterNotSetUpError(
            f"The writer `{access.writer}` needs a package that is not installed.",
            recovery_actions=[
                f"Ask an administrator to run `pip install 'ticketgen-processing[{access.writer}]'`"
                " where API and worker run, and to start them again.",
            ],
        )
    if access.key is None and (access.is_original or access.writer == "anthropic"):
        raise WriterNotSetUpError(
            f"The writer `{access.writer}` has no key for {access.base_url}.",
            recovery_actions=[f"Ask an administrator to set {access.key_setting}."],
        )
    key = access.key.get_secret_value() if access.key is not None else ""
    if not key.isascii() or not key.isprintable() or key != key.strip():
        raise WriterNotSetUpError(
            f"The key of the writer `{access.writer}` has characters that no key has.",
            recovery_actions=[f"Ask an administrator to correct {access.key_setting}."],
        )


def load(module: str) -> Any:
    """Import one of the modules that know pydantic-ai; it takes seconds, so call it in a thread."""
    return importlib.import_module(f"ticketgen_processing.models.{module}")
