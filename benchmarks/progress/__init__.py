"""Loads the progress of runs as browsers would, and measures what reaches them and when.

    python -m benchmarks.progress fan-out

starts an installation of its own, an API process on it, a process that publishes, and one that
watches; see the sub-commands for what else is measured.
"""

from __future__ import annotations
