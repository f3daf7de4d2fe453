"""The embedded servers, run for real."""

from __future__ import annotations
