"""The REST and WebSocket face of the platform."""

from __future__ import annotations
