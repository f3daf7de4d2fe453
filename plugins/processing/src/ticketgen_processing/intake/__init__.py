"""From the bytes of a file to the rows of a sheet, each with what is worth a look in it."""

from __future__ import annotations
