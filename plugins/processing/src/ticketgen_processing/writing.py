"""The `template` writer: stories and criteria from the facts of a component, without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ticketgen.provides import Brief, Component, SiteContext, WrittenText, plain_writer
from ticketgen_processing import stories

__all__ = ["TEMPLATE_WRITER", "write_from_template"]

_BY_TYPE: Mapping[str, Callable[[Component], WrittenText]] = MappingProxyType(
    {
        "bundles": stories.bundle,
        "image_styles": stories.image_style,
        "responsive_image_styles": stories.responsive_image_style,
        "user_roles": stories.user_role,
        "workflows": stories.workflow,
        "view_modes": stories.view_mode,
        "views": stories.view,
        "migrations": stories.migration,
        "custom": stories.custom,
    }
)


def write_from_template(component: Component, site: SiteContext) -> WrittenText:
    """The same text for the same component, always; any type of sheet gets a sensible one."""
    if component.row is None:
        return stories.undefined(component)
    return _BY_TYPE.get(component.csv_type, stories.generic)(component)


async def _write(brief: Brief) -> WrittenText:
    return write_from_template(brief.component, brief.site)


TEMPLATE_WRITER = plain_writer(
    name="template",
    summary="Fixed sentences filled with the facts of the sheets; instant, needs no model.",
    write=_write,
)
