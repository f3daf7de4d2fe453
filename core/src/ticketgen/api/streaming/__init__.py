"""Progress at the edge: over WebSockets, server-sent events and the dashboard's socket."""

from __future__ import annotations
