"""The test kit: real servers, a database of its own per test, runs driven by the real runner.

Installed with core as a pytest plugin; its fixtures are there without an import:

* `servers`: Postgres and Valkey from wheels, once per test session
* `settings`: settings of a host on a fresh database and an empty Redis
* `runtime`: a runtime on them
* `api`: a client of the API on that runtime, with a member's and an administrator's token
"""

from __future__ import annotations

from ticketgen.testing.driving import Api, drain, run_to_end, start_session
from ticketgen.testing.servers import (
    clone_database,
    create_template,
    database_name,
    drop_database,
    session_servers,
)

__all__ = [
    "Api",
    "clone_database",
    "create_template",
    "database_name",
    "drain",
    "drop_database",
    "run_to_end",
    "session_servers",
    "start_session",
]
