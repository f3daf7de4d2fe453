"""Exports to Jira Cloud: one issue for each ticket, whatever is killed when."""

from __future__ import annotations
