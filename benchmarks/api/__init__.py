"""What one API process does for many users at once, and what an upload takes of its memory."""

from __future__ import annotations
