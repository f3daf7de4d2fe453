"""Everything an author can mend about a plugin before it is released, each with where and how.

The loader's check (`ticketgen.conformance`) says what the host would refuse. This goes further:
what would break at an upgrade, what would be lost on the way through JSON, what nobody could read
in a listing.
"""

from __future__ import annotations

from ticketgen.checkup.distributions import check_distribution, check_plugin, distribution_of
from ticketgen.checkup.flaws import Flaw, Weight
from ticketgen.checkup.schemas import check_migrations
from ticketgen.checkup.timing import check_import_time

__all__ = [
    "Flaw",
    "Weight",
    "check_distribution",
    "check_import_time",
    "check_migrations",
    "check_plugin",
    "distribution_of",
]
