"""Chaos on exports to Jira: issues, files and links are created while everything breaks.

`python -m benchmarks.chaos_export --seed 1` starts Postgres, Valkey, the API, workers and a
stand-in for Jira, exports sessions to it under kills and faults, and ends with a table: what
should be in the stand-in, and what is. See docs/chaos.md.
"""

from __future__ import annotations
