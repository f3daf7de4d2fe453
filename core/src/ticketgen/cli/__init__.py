"""The commands: `main` is `ticketgen`, `worker` is `ticketgen-worker`.

Nothing is imported here: a worker does not pay for the commands of people.
"""

from __future__ import annotations
