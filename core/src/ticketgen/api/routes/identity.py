"""Who the caller is."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from ticketgen.api import examples
from ticketgen.api.deps import CurrentUser, problem_responses
from ticketgen.domain.users import Role

__all__ = ["router"]

router = APIRouter(prefix="/api/auth", tags=["identity"])


class Me(BaseModel):
    """The user a token belongs to."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [examples.ME]})

    id: UUID
    name: str
    role: Role


@router.get("/me", responses=problem_responses())
async def me(user: CurrentUser) -> Me:
    """Show the user the token belongs to."""
    return Me.model_validate(user)
