"""Chaos: real workers work on many runs while everything around them is killed, lost and paused.

`python -m benchmarks.chaos --seed 1` starts Postgres, Valkey and workers of its own, makes trouble
for some minutes and ends with a table: what was started, how it ended, and that nothing was lost,
doubled or stuck. See docs/chaos.md.
"""

from __future__ import annotations
