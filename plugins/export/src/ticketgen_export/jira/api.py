"""Routes that show the Jira project a session goes to, so that a person can choose."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api.deps import CurrentUser, OwnedSession, Work, problem_responses, state
from ticketgen.provides import ExportContext
from ticketgen_export.jira.outlet import look_at_project
from ticketgen_export.state import ExportState

__all__ = ["router"]

router = APIRouter(prefix="/jira/{session_id}")


class ProjectView(BaseModel):
    """A Jira project as an export would find it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "project_key": "HM",
                    "project_name": "Harbour Museum",
                    "issue_types": ["Bug", "Story", "Task"],
                    "link_types": ["Blocks", "Relates"],
                    "priorities": ["High", "Medium", "Low"],
                    "sprints": ["Sprint 7"],
                    "may": ["BROWSE_PROJECTS", "CREATE_ISSUES", "LINK_ISSUES"],
                    "read_at": "2026-03-02T09:30:00Z",
                }
            ]
        }
    )

    project_key: str
    project_name: str
    issue_types: list[str]
    link_types: list[str]
    priorities: list[str]
    sprints: list[str] | None = Field(
        description="Active and future ones; null where the boards could not be read."
    )
    may: list[str] = Field(description="The permissions of the connected account.")
    read_at: datetime = Field(description="When Jira was asked.")


@router.get("", responses=problem_responses(403, 404, 409, 422, 503))
async def show_project(
    session: OwnedSession,
    work: Work,
    user: CurrentUser,
    state: Annotated[ExportState, state],
    connection: Annotated[UUID | None, Query(description="Unset: your only one.")] = None,
    refresh: Annotated[bool, Query(description="Ask Jira anew, whatever is known.")] = False,
) -> ProjectView:
    """Show issue types, link types, priorities and sprints of the session's project.

    What was read in the last minutes is shown as it was; see the setting `jira_facts_age`.
    """
    options: dict[str, Any] = {"connection": str(connection)} if connection else {}
    context = ExportContext(
        session_id=session.id,
        user_id=user.id,
        project_key=session.jira_project_key,
        options=options,
        state=state,
    )
    # Gives the connection back: Jira may take its time.
    await work.db.commit()
    known = await look_at_project(context, refresh=refresh)
    facts = known.facts
    return ProjectView(
        project_key=facts.project_key,
        project_name=facts.project_name,
        issue_types=sorted(facts.issue_types),
        link_types=sorted(facts.link_types),
        priorities=[name for name, _ in facts.priorities],
        sprints=sorted(facts.sprints) if facts.sprints_known else None,
        may=facts.may,
        read_at=known.read_at,
    )
