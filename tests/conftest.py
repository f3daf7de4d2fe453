"""What holds for every test; the fixtures come from the test kit."""

from __future__ import annotations

import gc
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import hypothesis
import pytest
import structlog

if TYPE_CHECKING:
    from ticketgen.settings import Settings

# `pytest --hypothesis-profile=thorough`: for minutes; what is usual is for every commit.
hypothesis.settings.register_profile("thorough", max_examples=1_000, stateful_step_count=50)

_LONG = (
    "tests/flows/test_chaos.py",
    "tests/flows/test_stranger.py",
    "tests/core/test_run_states_model.py",
    "tests/flows/",
    "tests/core/scaffold/test_generated.py",
    "tests/core/test_worker",
    "tests/plugins/export/test_sent_once.py",
)
"""What waits for processes, or takes long: it is begun first, and the short fills the gaps."""


def pytest_configure() -> None:
    """Let signals do what they usually do, and a logged error cost next to nothing.

    A shell's `&`, and nohup, start a process with SIGINT or SIGHUP ignored, which its children
    inherit; the tests of Ctrl-C and of a closed terminal need them. What structlog does unless it
    is told otherwise, a picture of every variable of every frame, takes seconds, in which the
    event loop of the test stands still.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    plain = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
            structlog.dev.set_exc_info,
            plain,
        ]
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: last, it would keep all other processes waiting."""
    items.sort(key=_place)  # stable: what belongs together stays together


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what was imported, and come less often.

    It looked through all of it some thousand times: a sixth of the time that the tests took.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The kit's, with limits that a machine does not reach by being slow."""
    return settings.model_copy(
        update={
            "database_timeout": timedelta(minutes=1),
            "lease": timedelta(minutes=10),
            "lease_patience": timedelta(minutes=5),
            "heartbeat_expiry": timedelta(minutes=5),
        }
    )


def _place(item: pytest.Item) -> int:
    places = (n for n, start in enumerate(_LONG) if item.nodeid.startswith(start))
    return next(places, len(_LONG))
