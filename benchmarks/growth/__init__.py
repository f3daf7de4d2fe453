"""What every query of the host costs when there are ten and a hundred times as many rows."""

from __future__ import annotations
