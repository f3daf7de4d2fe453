"""Progress on its way in: from one Redis connection to every client of this process."""

from __future__ import annotations
