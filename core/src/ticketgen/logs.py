"""Log lines with an action and bound fields; secrets never reach them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from ticketgen.settings import Settings

__all__ = ["configure_logs", "redact"]

_SECRET = re.compile(
    r"(\bpass=|[?&]code=|Bearer\s+|\btg_|Basic\s+(?=[\w+/=]{16})"
    r"|\b(?:access_token|refresh_token|client_secret|code_verifier)[\"']?\s*[=:]\s*[\"']?)"
    r"[\w.~+/=%-]+",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(\w+://[^\s:/@]*:)[^\s@/]+@")


_SIGNS = ("pass=", "code=", "bearer", "tg_", "basic", "token", "client_secret", "code_verifier")
"""One of them is in every text that `_SECRET` finds something in: most lines have none."""


def redact(text: str) -> str:
    """The text without stream passes, tokens, and passwords in URLs."""
    lowered = text.lower()
    if any(sign in lowered for sign in _SIGNS):
        text = _SECRET.sub(r"\1…", text)
    return _URL_PASSWORD.sub(r"\1…@", text) if "@" in text else text


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item) for item in value]
    return value


def _redacting(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        # What the formatter itself puts in is gone or rendered before the line is written.
        if not key.startswith("_") and key != "exc_info":
            event[key] = _redacted(value)
    return event


class _RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Looks at the finished line once more: a traceback quotes what was called with a secret."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logs(settings: Settings) -> None:
    """Send our log lines and those of libraries to standard error, in one form."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = (
        [structlog.processors.format_exc_info, _redacting, structlog.processors.JSONRenderer()]
        if as_json
        else [
            _redacting,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _RedactingFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "arq", "alembic"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    for name in ("uvicorn.access", "arq.worker", "alembic", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
