"""What a worker imports at its start: nothing that only the API, a command or some run needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

_WORKER = """
import sys

import ticketgen.cli.worker
from ticketgen.settings import load_settings
from ticketgen.worker import build_worker_settings

settings = load_settings(
    database_url="postgresql://nobody@127.0.0.1:9/nothing", redis_url="redis://127.0.0.1:9"
)
built = build_worker_settings(settings)
assert len(built.functions) >= 8, built.functions
print("\\n".join(sys.modules))
"""


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The modules of a worker with the four plugins that is about to connect."""
    done = subprocess.run(
        [sys.executable, "-c", _WORKER], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        *("fastapi", "starlette", "uvicorn", "websockets", "python_multipart"),
        *("alembic", "mako", "httpx2", "authlib", "stamina", "tenacity", "pydantic_ai"),
        *("markdown_it", "chardet", "prometheus_client", "cryptography.fernet"),
        *("ticketgen.api", "ticketgen.embedded", "ticketgen.testing", "ticketgen.scaffold"),
        *("ticketgen.client", "ticketgen.checkup", "ticketgen.commands"),
        *("ticketgen_processing.api", "ticketgen_processing.commands"),
        *("ticketgen_adf_validation.api", "ticketgen_adf_validation.converting"),
        *("ticketgen_export.api", "ticketgen_export.commands", "ticketgen_export.jira_stub"),
    ],
)
def test_a_worker_starts_without(imported: set[str], module: str) -> None:
    assert "ticketgen_export.plugin" in imported
    assert module not in imported
