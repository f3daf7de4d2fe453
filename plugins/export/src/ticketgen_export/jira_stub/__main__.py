"""`python -m ticketgen_export.jira_stub`: the stand-in as a process, as `ticketgen jira-stub`."""

from __future__ import annotations

import typer

from ticketgen_export.stub_command import jira_stub

__all__: list[str] = []

if __name__ == "__main__":
    typer.run(jira_stub)
