"""Core's own routes, one module per noun."""

from __future__ import annotations
