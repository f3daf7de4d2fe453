"""How a user's access to a Jira site is kept, tested and renewed."""

from __future__ import annotations
