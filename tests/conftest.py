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
    "tests/flows/test_command.py",
    "tests/flows/test_stranger.py",
    "tests/rules/test_tutorial.py",
    "tests/flows/test_chaos.py",
    "tests/flows/test_chaos_export.py",
    "tests/core/test_worker",
    "tests/core/scaffold/",
    "tests/core/testing_kit/test_typing.py",
    "tests/flows/test_uninstalled_plugin.py",
    "tests/core/test_run_states_model.py",
    "tests/plugins/export/test_sent_once.py",
    "tests/core/test_effects_interrupted.py",
    "tests/core/test_arq_worker_stops.py",
)
"""What waits for processes, or takes long; the longest first."""


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every process begin with some of what takes long, and fill the gaps with the short.

    Each gets an equal number of tests that follow each other (`--dist worksteal`), and who is
    ready early takes from the end of what others have left.
    """
    processes = int(getattr(config, "workerinput", {}).get("workercount", 1))
    shares: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for number, start in enumerate(_LONG):
        turn, place = divmod(number, processes)
        share = shares[-1 - place] if turn % 2 else shares[place]
        share += [item for item in items if item.nodeid.startswith(start)]
    short = [item for item in items if not item.nodeid.startswith(_LONG)]
    left = len(items)
    for number, share in enumerate(shares):
        wanted = max(0, left // (processes - number) - len(share))
        share += short[:wanted]
        del short[:wanted]
        left -= len(share)
    items[:] = [*(item for share in shares for item in share), *short]


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass over what was imported, and come less often.

    It looked through all of it some thousand times, which took a tenth of the tests' own time.
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
        }
    )
