"""What a person may choose for an export to Jira."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ticketgen.errors import InvalidInputError

__all__ = ["JiraOptions", "read_options"]

_Name = Annotated[str, Field(min_length=1, max_length=100)]


class JiraOptions(BaseModel):
    """The options of the target `jira`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connection: UUID | None = Field(
        default=None, description="One of your connections; unset: the only one you have."
    )
    issue_type: _Name = Field(default="Task", description="The type of every issue, by its name.")
    link_type: _Name = Field(
        default="Blocks", description="The type of links between issues, by its name."
    )
    links: bool = Field(default=True, description="Whether dependencies become links.")
    priority: _Name | None = Field(
        default=None, description="The priority of every issue; unset: the project's own."
    )
    pace: Annotated[float, Field(ge=0, le=60)] | None = Field(
        default=None,
        description="Seconds between two calls that write; unset: as the operator has it.",
    )
    bulk: Annotated[int, Field(ge=1, le=50)] | None = Field(
        default=None, description="Issues created by one call; unset: as the operator has it."
    )


def read_options(options: Mapping[str, Any]) -> JiraOptions:
    """The options, checked.

    Raises:
        InvalidInputError: one is not known, or has a value that it cannot have.
    """
    try:
        return JiraOptions.model_validate(options)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        known = ", ".join(JiraOptions.model_fields)
        raise InvalidInputError(
            "The options for Jira are wrong: " + "; ".join(problems),
            recovery_actions=[f"Give only these: {known}."],
        ) from None
