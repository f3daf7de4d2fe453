"""The lines in which commands say how the tables of the host and of its plugins stand."""

from __future__ import annotations

from ticketgen.discovery import FoundPlugin
from ticketgen.migrations import TreeReport, TreeState

__all__ = ["failed_line", "found_line", "report_line", "state_line", "unread_line"]


def report_line(report: TreeReport) -> str:
    """What an upgrade did to one owner's tables."""
    if report.problem is not None:
        done = f"failed, still at {report.before or 'nothing'}"
    elif report.before == report.after:
        done = f"was at {report.after} already"
    else:
        done = f"{report.before or 'nothing'} → {report.after}"
    return f"  {report.owner}: {done}"


def failed_line(report: TreeReport) -> str:
    """What a failed upgrade means for its plugin."""
    message = report.problem.message if report.problem else ""
    return f"The plugin {report.owner!r} is out of use, its tables were not migrated: {message}"


def unread_line(found: FoundPlugin) -> str:
    """What a plugin that cannot be loaded means for its tables."""
    problem = found.problems[0]
    return (
        f"The plugin {found.name!r} ({found.distribution} {found.version}) is {found.status}; "
        f"tables it may have were not looked at. {problem.phase}: {problem.message} "
        f"→ {problem.remedy}"
    )


def state_line(state: TreeState, unread: FoundPlugin | None) -> str:
    """How one owner's tables stand; `unread` is its plugin, if it could not be asked."""
    return f"  {state.owner}: {found_line(state, unread)}"


def found_line(state: TreeState, unread: FoundPlugin | None) -> str:
    """The same, without whose they are."""
    if state.problem is not None:
        return " → ".join([state.problem.message, *state.problem.recovery_actions])
    if state.needed is not None:
        return f"at {state.current}, as needed"
    why = f"the plugin is {unread.status}" if unread else "the plugin is not installed"
    tables = ", ".join(state.tables) or "none"
    return f"at {state.current or 'nothing'}; {why}, its tables are kept: {tables}"
