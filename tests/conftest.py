"""What holds for every test; the fixtures come from the test kit."""

from __future__ import annotations

import signal

from hypothesis import settings

# `pytest --hypothesis-profile=thorough`: for minutes; what is usual is for every commit.
settings.register_profile("thorough", max_examples=1_000, stateful_step_count=50)


def pytest_configure() -> None:
    """Give child processes the usual signals, also where the suite runs with them ignored.

    A shell's `&`, and nohup, start a process with SIGINT or SIGHUP ignored, which its children
    inherit; the tests of Ctrl-C and of a closed terminal need them.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
