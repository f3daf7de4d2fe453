"""Taking a session back to an earlier stage, once its impact has been seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api.deps import CurrentUser, LockedSession, OwnedSession, Work, problem_responses
from ticketgen.api.host import HostRuntime
from ticketgen.api.problems import SupersededError
from ticketgen.api.routes import session_examples
from ticketgen.api.routes.session_ending import ElsewhereView, require_idle, stays_elsewhere
from ticketgen.api.routes.sessions import SessionView
from ticketgen.domain import audit, rollback
from ticketgen.domain.rollback import RollbackImpact
from ticketgen.domain.session_contents import rows_of_plugin
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.runtime import Runtime
from ticketgen.starting import UnitOfWork

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/rollback", tags=["sessions"])

_DOING = "A rollback"


class RowsOfPlugin(BaseModel):
    """What a plugin keeps of the session in one of its tables; it stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.ROWS_OF_PLUGIN]})

    plugin: str
    table: str
    rows: int


class RollbackImpactView(BaseModel):
    """What a rollback deletes, and what stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.ROLLBACK]})

    session_id: UUID
    stage: Stage = Field(description="Where the session stands.")
    to: Stage
    tickets_deleted: int
    edited_deleted: int = Field(description="Of them, how many a person has changed.")
    edited_titles: list[str] = Field(
        description=f"Which those are, {rollback.NAMED_TICKETS} at most."
    )
    dependencies_deleted: int
    validations_deleted: int
    files_deleted: list[str]
    tickets_kept: int
    files_kept: int
    elsewhere: list[ElsewhereView] = Field(description="What stays in other systems.")
    exported_files: int = Field(description="Files of exports; they stay.")
    kept_by_plugins: list[RowsOfPlugin] = Field(
        description="What plugins keep of the session, such as texts that were paid for; it stays."
    )
    remarks: list[str] = Field(description="What a person should know before, in sentences.")
    confirm: str = Field(description="Give it back to do exactly this.")


class RollbackRequest(BaseModel):
    """Where to, and the impact that was seen."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"to": "upload", "confirm": session_examples.ROLLBACK["confirm"]}]
        },
    )

    to: Stage
    confirm: str = Field(max_length=100, description="`confirm` of the impact that was shown.")


class RolledBack(BaseModel):
    """The session as it stands now, and what was done."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.ROLLBACK_DONE]})

    session: SessionView
    impact: RollbackImpactView


@router.get("", responses=problem_responses(403, 404, 409))
async def show_rollback(
    session: OwnedSession,
    work: Work,
    runtime: HostRuntime,
    to: Annotated[Stage, Query(description="`review`, `upload` or `site_info_collection`.")],
) -> RollbackImpactView:
    """Show what a rollback would delete and what would stay; nothing is changed.

    To `review` nothing is deleted; to `upload` the tickets, their dependencies and validations;
    to `site_info_collection` the files as well.
    """
    await require_idle(work.db, session, doing=_DOING)
    impact = await rollback.rollback_impact(work.db, session, to)
    return await _view(work, runtime, session, impact)


@router.post("", responses=problem_responses(403, 404, 409, 422))
async def roll_back(
    request: RollbackRequest,
    session: LockedSession,
    work: Work,
    user: CurrentUser,
    runtime: HostRuntime,
) -> RolledBack:
    """Take the session back, if the impact is still the one that was seen.

    Otherwise nothing is changed, and the answer (409) has the new impact as `current`.
    """
    await require_idle(work.db, session, doing=_DOING)
    impact = await rollback.rollback_impact(work.db, session, request.to)
    view = await _view(work, runtime, session, impact)
    if request.confirm != impact.confirm:
        raise SupersededError(
            "The session has changed since the impact of this rollback was shown.",
            current=view.model_dump(mode="json"),
            recovery_actions=["Look at the impact as it is now, and confirm that one."],
        )
    audit.record(
        work.db,
        "session.rolled_back",
        actor_id=user.id,
        session_id=session.id,
        details=view.model_dump(
            mode="json", exclude={"session_id", "confirm", "remarks", "kept_by_plugins"}
        ),
    )
    await rollback.roll_back(work.db, session, impact)
    await work.db.refresh(session)
    return RolledBack(session=SessionView.model_validate(session), impact=view)


async def _view(
    work: UnitOfWork, runtime: Runtime, session: WorkSession, impact: RollbackImpact
) -> RollbackImpactView:
    kept = [
        RowsOfPlugin(plugin=plugin.name, table=table, rows=rows)
        for plugin in runtime.registry.active
        if plugin.migrations is not None
        for table, rows in (
            await rows_of_plugin(work.db, plugin.migrations.metadata, session.id)
        ).items()
    ]
    return RollbackImpactView(
        session_id=impact.session_id,
        stage=impact.stage,
        to=impact.to,
        tickets_deleted=impact.tickets_deleted,
        edited_deleted=impact.edited_deleted,
        edited_titles=list(impact.edited_titles),
        dependencies_deleted=impact.dependencies_deleted,
        validations_deleted=impact.validations_deleted,
        files_deleted=list(impact.files_deleted),
        tickets_kept=impact.tickets_kept,
        files_kept=impact.files_kept,
        elsewhere=[ElsewhereView.model_validate(item) for item in impact.elsewhere],
        exported_files=impact.exported_files,
        kept_by_plugins=kept,
        remarks=_remarks(impact, kept),
        confirm=impact.confirm,
    )


def _remarks(impact: RollbackImpact, kept: Sequence[RowsOfPlugin]) -> list[str]:
    remarks = []
    if impact.edited_deleted:
        remarks.append(
            f"{impact.edited_deleted} tickets that a person has changed are deleted, with those "
            "changes."
        )
    remarks += stays_elsewhere(impact.elsewhere)
    if impact.tickets_deleted and impact.elsewhere:
        remarks.append(
            "Tickets that are generated again are new ones: an export sends them again, beside "
            "what is there already."
        )
    if impact.exported_files:
        remarks.append(f"The {impact.exported_files} files of exports stay.")
    if kept:
        names = ", ".join(f"{item.rows} × {item.table}" for item in kept)
        remarks.append(
            f"What plugins keep of the session stays ({names}): texts that were paid for are used "
            "again where the facts are the same, and a report on the files is out of date as soon "
            "as the files are others."
        )
    return remarks
