"""Removes expired sessions, audit entries and tokens on schedule."""

from __future__ import annotations
