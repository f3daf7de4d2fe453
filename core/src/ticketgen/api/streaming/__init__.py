"""Progress at the edge: over WebSockets, server-sent events and the dashboard's socket."""
