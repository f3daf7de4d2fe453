"""Programs that measure the project or put it under stress, run by hand."""

from __future__ import annotations
