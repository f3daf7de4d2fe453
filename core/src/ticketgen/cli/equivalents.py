"""Which command does what a route does, so that the API's advice can be followed at a prompt."""

from __future__ import annotations

import re

__all__ = ["as_commands", "command_of"]

_S = r"/api/sessions/(?P<session>[^/\s`?]+)"
_OF = r"/(?P<session>[^/\s`?.]+)"

_COMMANDS: tuple[tuple[str, str], ...] = (
    (r"POST /api/sessions", "sessions create NAME"),
    (r"GET /api/sessions/recoverable", "sessions recoverable"),
    (rf"POST {_S}/uploads", "upload files {session} PATH"),
    (rf"GET {_S}/uploads", "upload list {session}"),
    (rf"GET {_S}/tickets", "tickets list {session}"),
    (rf"GET {_S}/export-readiness", "sessions readiness {session}"),
    (rf"GET {_S}/rollback\?to=(?P<to>\w+)", "sessions rollback {session} {to}"),
    (rf"POST {_S}/cancel", "sessions cancel {session}"),
    (rf"GET {_S}/errors", "sessions errors {session}"),
    (rf"GET {_S}/history", "sessions history {session}"),
    (rf"GET {_S}/runs", "sessions status {session}"),
    (rf"PATCH {_S}", "sessions change {session}"),
    (rf"DELETE {_S}", "sessions delete {session}"),
    (rf"GET {_S}", "sessions show {session}"),
    (rf"POST /api/processing/(?:start|generate-tickets){_OF}", "sessions generate {session}"),
    (rf"POST /api/processing\.check/start{_OF}", "sessions check {session}"),
    (rf"POST /api/adf_validation/start{_OF}", "sessions validate {session}"),
    (rf"POST /api/export/(?:start|session){_OF}", "sessions export {session}"),
    (rf"POST /api/processing/findings{_OF}/accept", "findings accept {session} GROUP"),
    (rf"GET /api/processing/findings{_OF}/list", "findings list {session}"),
    (rf"GET /api/processing/findings{_OF}", "findings show {session}"),
    (rf"GET /api/processing/estimate{_OF}", "sessions estimate {session}"),
    (rf"GET /api/processing/usage{_OF}", "sessions usage {session}"),
    (r"GET /api/processing/writers", "processing writers"),
    (r"GET /api/processing/types", "processing types"),
    (r"GET /api/export/targets", "export targets"),
    (r"POST /api/export/connections", "export connect --site URL --email ADDRESS"),
    (r"GET /api/export/connections", "export connections"),
    (r"GET /api/runs/[^/\s`]+", "sessions status {session}"),
    (r"POST /api/runs/[^/\s`]+/retry", "sessions retry {session}"),
    (r"POST /api/runs/[^/\s`]+/cancel", "sessions cancel {session}"),
)

_TWICE = re.compile(r"(`ticketgen (?P<command>[\w-]+ [\w-]+)[^`]*`),? or `ticketgen (?P=command)`")
"""What is left where advice names both the route and the command."""

_ROUTE = re.compile(r"`?(?P<route>(?:GET|POST|PATCH|DELETE) /api/[^\s`,;:]*[^\s`,;:.])`?")


def command_of(route: str, *, session: str = "SESSION") -> str | None:
    """The command for a method and a path, such as `GET /api/sessions/{session_id}`, if any."""
    for pattern, command in _COMMANDS:
        match = re.fullmatch(pattern, route)
        if match is not None:
            parts = {"session": session, **match.groupdict()}
            if "{" in parts["session"]:  # as the API's description has it
                parts["session"] = session
            return f"ticketgen {command.format(**parts)}"
    return None


def as_commands(text: str) -> str:
    """The text with commands in the place of the routes that have one."""

    def replaced(match: re.Match[str]) -> str:
        command = command_of(match["route"])
        return f"`{command}`" if command else match[0]

    return _TWICE.sub(r"\1", _ROUTE.sub(replaced, text))
