"""Counts the words of every ticket and estimates the effort from them."""

from __future__ import annotations
