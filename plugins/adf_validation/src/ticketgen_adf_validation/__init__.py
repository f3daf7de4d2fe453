"""Converts ticket descriptions to the Atlassian Document Format and checks every one."""

from __future__ import annotations
