"""The test kit: real servers, a database of its own per test, runs driven by the real runner.

Installed with core as a pytest plugin; its fixtures are there without an import:

* `servers`: Postgres and Valkey from wheels, once per test session
* `settings`: settings of a host on a fresh database and an empty Redis
* `runtime`: a runtime on them
* `api`: a client of the API on that runtime, with a member's and an administrator's token
* `live_api`: the same API on a loopback port, for clients that need a real connection
* `install_plugin`: installs a plugin from its source until the test ends
* `clean_environment`: no setting of a host in the environment
"""

from __future__ import annotations

from ticketgen.testing.driving import Api, drain, run_to_end, start_session
from ticketgen.testing.installed import InstalledPlugin, installed_plugin
from ticketgen.testing.registries import registry_of
from ticketgen.testing.servers import (
    clone_database,
    create_template,
    database_name,
    drop_database,
    session_servers,
)
from ticketgen.testing.serving import LiveApi, serve

__all__ = [
    "Api",
    "InstalledPlugin",
    "LiveApi",
    "clone_database",
    "create_template",
    "database_name",
    "drain",
    "drop_database",
    "installed_plugin",
    "registry_of",
    "run_to_end",
    "serve",
    "session_servers",
    "start_session",
]
