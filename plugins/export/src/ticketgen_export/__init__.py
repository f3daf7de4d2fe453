"""Exports validated tickets in dependency order."""

from __future__ import annotations
