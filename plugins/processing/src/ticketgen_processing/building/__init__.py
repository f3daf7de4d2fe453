"""From the rows of all sheets to the components of a site, in order, with what was found."""

from __future__ import annotations
