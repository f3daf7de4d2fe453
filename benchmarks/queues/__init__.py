"""Our queue beside its peers: jobs a second, pick-up, what a job costs, and what a kill costs.

`python -m benchmarks.queues --help` says what is measured. Every figure is taken of all of them in
one run, in turns, so that what else the machine does hits all alike.
"""

from __future__ import annotations
