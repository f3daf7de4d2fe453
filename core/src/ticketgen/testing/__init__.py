"""The test kit: a host in memory for the fast loop, a real one for what counts, and a check.

Installed with core as a pytest plugin; its fixtures are there without an import.

**Without any server**, in milliseconds:

* `MemoryHost` runs a task of a plugin to its end: request, payload, steps and summary go through
  JSON, retries come at once on a `FakeClock`, and the `RunOutcome` says everything that happened.
* `make_session` is a session for it; `NeedsDatabaseError` says what it cannot do.
* `host.fires` and `host.fire` are for schedules.

**On real servers**, each test with a database of its own. Fixtures:

* `servers`: Postgres and Valkey from wheels, once per test session
* `settings`: settings of a host on a fresh database and an empty Redis
* `runtime`: a runtime on them
* `api`: a client of the API on that runtime, with a member's and an administrator's token
* `live_api`: the same API on a loopback port, for clients that need a real connection
* `install_plugin`: installs a plugin from its source until the test ends
* `clean_environment`: no setting of a host in the environment

With them: `start_session`, `drain`, `run_to_end` and `run_until_settled` run what is queued through
the real runner; `started_runs` says what was started, `progress_of` what watchers were sent.
Databases of tests have the tables of every plugin that was installed when the session began;
`upgrade_plugins` makes those of one that a test installs itself.

**Before a release**: `check_plugin` and `check_distribution` give everything an author can mend, as
findings that say where and what to change; the fixture `conforms` makes one line of it::

    def test_it_conforms(conforms):
        conforms("ticketgen-acme-labels")
"""

from __future__ import annotations

from ticketgen.checkup import (
    Flaw,
    Weight,
    check_distribution,
    check_import_time,
    check_migrations,
    check_plugin,
)
from ticketgen.testing.clock import FakeClock
from ticketgen.testing.conforming import ConformanceWarning, require_conforming
from ticketgen.testing.driving import (
    Api,
    drain,
    progress_of,
    run_to_end,
    run_until_settled,
    start_session,
    started_runs,
)
from ticketgen.testing.installed import InstalledPlugin, installed_plugin
from ticketgen.testing.memory import MemoryHost, make_session
from ticketgen.testing.memory_context import NeedsDatabaseError
from ticketgen.testing.registries import registry_of
from ticketgen.testing.run_outcome import (
    EffectSeen,
    ProgressSeen,
    RunError,
    RunOutcome,
    StartSeen,
)
from ticketgen.testing.schemas import upgrade_plugins
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
    "ConformanceWarning",
    "EffectSeen",
    "FakeClock",
    "Flaw",
    "InstalledPlugin",
    "LiveApi",
    "MemoryHost",
    "NeedsDatabaseError",
    "ProgressSeen",
    "RunError",
    "RunOutcome",
    "StartSeen",
    "Weight",
    "check_distribution",
    "check_import_time",
    "check_migrations",
    "check_plugin",
    "clone_database",
    "create_template",
    "database_name",
    "drain",
    "drop_database",
    "installed_plugin",
    "make_session",
    "progress_of",
    "registry_of",
    "require_conforming",
    "run_to_end",
    "run_until_settled",
    "serve",
    "session_servers",
    "start_session",
    "started_runs",
    "upgrade_plugins",
]
