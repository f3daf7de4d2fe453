"""What a developer is asked to build, in words, for each type of component.

The sentences hold facts of the sheets and nothing else: what no cell says is not said. A story
says who wants what and for which purpose, if the sheets name one; each criterion is one thing
that can be looked at and ticked off.
"""

from __future__ import annotations

from ticketgen_processing.stories.bundles import bundle
from ticketgen_processing.stories.displays import view, view_mode
from ticketgen_processing.stories.images import image_style, responsive_image_style
from ticketgen_processing.stories.others import custom, generic, migration, undefined
from ticketgen_processing.stories.permissions import user_role, workflow

__all__ = [
    "bundle",
    "custom",
    "generic",
    "image_style",
    "migration",
    "responsive_image_style",
    "undefined",
    "user_role",
    "view",
    "view_mode",
    "workflow",
]
