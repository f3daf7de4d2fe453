"""The words of a ticket from a language model: asked, checked against the facts, counted."""

from __future__ import annotations
