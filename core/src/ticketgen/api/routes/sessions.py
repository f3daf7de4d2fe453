"""Sessions: begin one, describe the site, see where it stands, hand it over."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ticketgen.api import examples
from ticketgen.api.deps import (
    CurrentUser,
    LockedSession,
    OwnedSession,
    Work,
    problem_responses,
)
from ticketgen.api.host import HostRuntime
from ticketgen.api.paging import Limit, Offset, tell_total, told_total
from ticketgen.api.texts import LongText, ShortText
from ticketgen.domain import audit, sessions
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.users import User, get_user_by_name
from ticketgen.errors import ConflictError, InvalidInputError
from ticketgen.provides import Writer
from ticketgen.runtime import Runtime

__all__ = ["SessionView", "router"]

router = APIRouter(prefix="/api/sessions", tags=["sessions"])

JiraKey = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,19}$")]


class SiteInfo(BaseModel):
    """What is said about the site before anything is uploaded."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Harbour Museum",
                    "description": "A maritime museum with exhibitions and a collection.",
                    "jira_project_key": "HM",
                    "writer": "template",
                }
            ]
        },
    )

    name: ShortText = Field(description="The project's name.")
    description: LongText = Field(default="", description="Context for the writer.")
    jira_project_key: JiraKey | None = None
    writer: ShortText = Field(default="template", description="Who writes stories and criteria.")


class SiteInfoChange(BaseModel):
    """The parts of a site's description that are to change."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"jira_project_key": "HM"}]}
    )

    name: ShortText | None = None
    description: LongText | None = None
    jira_project_key: JiraKey | None = None
    writer: ShortText | None = None


class HandOver(BaseModel):
    """Whom a session is given to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"user": "mia"}]})

    user: ShortText = Field(description="A user's name.")


class SessionView(BaseModel):
    """A session and where it stands."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.SESSION]}
    )

    id: UUID
    owner_id: UUID
    name: str
    description: str
    jira_project_key: str | None
    writer: str
    stage: Stage
    content_revision: int = Field(description="Counts every change of any ticket.")
    created_at: datetime
    updated_at: datetime


def _known_writer(runtime: Runtime, name: str) -> str:
    known = [writer.name for writer in runtime.registry.provided(Writer)]
    if name not in known:
        raise InvalidInputError(
            f"No installed plugin provides the writer {name!r}.",
            recovery_actions=[f"Choose one of: {', '.join(known) or 'none is installed'}."],
        )
    return name


@router.post("", status_code=201, responses=problem_responses(422))
async def create_session(
    site: SiteInfo, work: Work, user: CurrentUser, runtime: HostRuntime
) -> SessionView:
    """Begin a session; it belongs to the caller."""
    session = WorkSession(
        owner_id=user.id,
        name=site.name,
        description=site.description,
        jira_project_key=site.jira_project_key,
        writer=_known_writer(runtime, site.writer),
    )
    work.db.add(session)
    await work.db.flush()
    audit.record(work.db, "session.created", actor_id=user.id, session_id=session.id)
    await work.db.refresh(session)
    return SessionView.model_validate(session)


@router.get("", responses={**problem_responses(), **told_total()})
async def list_sessions(
    work: Work,
    user: CurrentUser,
    response: Response,
    stage: Annotated[list[Stage], Query(description="Only these; may be repeated.")] = [],  # noqa: B006 - FastAPI copies it
    q: Annotated[
        str,
        Query(
            max_length=200,
            description="Only those whose name, description or Jira project has all these words.",
        ),
    ] = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[SessionView]:
    """List the caller's sessions, or all to an administrator, the latest changed first.

    `X-Total-Count` says how many there are without the limit.
    """
    owner = None if user.is_admin else user.id
    found = await sessions.list_sessions(
        work.db, owner_id=owner, stages=stage, containing=q, limit=limit, offset=offset
    )
    total = await sessions.count_sessions(work.db, owner_id=owner, stages=stage, containing=q)
    tell_total(response, total)
    return [SessionView.model_validate(session) for session in found]


@router.get("/{session_id}", responses=problem_responses(403, 404))
async def get_session(session: OwnedSession) -> SessionView:
    """Show one session."""
    return SessionView.model_validate(session)


@router.patch("/{session_id}", responses=problem_responses(403, 404, 409, 422))
async def change_session(
    change: SiteInfoChange,
    session: LockedSession,
    work: Work,
    user: CurrentUser,
    runtime: HostRuntime,
) -> SessionView:
    """Change the description of the site, as long as nothing has been exported."""
    sessions.require_stage(
        session,
        Stage.SITE_INFO_COLLECTION,
        Stage.UPLOAD,
        Stage.REVIEW,
        doing="Changing the description",
    )
    values = change.model_dump(exclude_unset=True)
    for field in ("name", "description", "writer"):
        if values.get(field, "") is None:
            raise InvalidInputError(
                f"{field} cannot be null.", recovery_actions=["Leave it out to keep it as it is."]
            )
    if "writer" in values:
        _known_writer(runtime, values["writer"])
    for field, value in values.items():
        setattr(session, field, value)
    audit.record(
        work.db,
        "session.changed",
        actor_id=user.id,
        session_id=session.id,
        details={"fields": sorted(values)},
    )
    await work.db.flush()
    await work.db.refresh(session)
    return SessionView.model_validate(session)


@router.post("/{session_id}/owner", responses=problem_responses(403, 404, 409, 422))
async def hand_over(
    target: HandOver, session: LockedSession, work: Work, user: CurrentUser
) -> SessionView:
    """Give the session to a colleague; the caller loses it, unless an administrator."""
    colleague: User = await get_user_by_name(work.db, target.user)
    if colleague.disabled_at is not None:
        raise ConflictError(
            f"The user {colleague.name!r} is disabled.",
            recovery_actions=["Give the session to somebody who can work on it."],
        )
    audit.record(
        work.db,
        "session.handed_over",
        actor_id=user.id,
        session_id=session.id,
        details={"from": str(session.owner_id), "to": str(colleague.id)},
    )
    session.owner_id = colleague.id
    await work.db.flush()
    await work.db.refresh(session)
    return SessionView.model_validate(session)
