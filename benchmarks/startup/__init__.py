"""What a start costs: until the first job is begun, until the API answers, and what it imports.

`python -m benchmarks.startup` prints three tables. *Services* are real processes on servers of
their own, beside arq's plain worker. *Building* is what API, worker and commands cost with 0, 4
and 54 plugins, with no server at all. *Imports* are the packages that a worker spends its start on.
"""

from __future__ import annotations
