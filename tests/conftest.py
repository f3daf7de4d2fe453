"""What holds for every test; the fixtures come from the test kit."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Give child processes the usual signals, also where the suite runs with them ignored.

    A shell's `&`, and nohup, start a process with SIGINT or SIGHUP ignored, which its children
    inherit; the tests of Ctrl-C and of a closed terminal need them.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
