"""Starting an export: the gates are asked, the target settles its options, the run is stored."""

from __future__ import annotations

from uuid import UUID

from ticketgen import StartContext, StartedRun, Starter
from ticketgen.domain import validations
from ticketgen.domain.users import User
from ticketgen_export.errors import ExportBlockedError
from ticketgen_export.schemas import ExportPayload, ExportRequest
from ticketgen_export.targets import prepare_target

__all__ = ["ExportService", "prepare_export"]


class ExportService:
    """Starts exports."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    async def export_session(
        self, session_id: UUID, request: ExportRequest, *, user: User | None
    ) -> StartedRun:
        """Validate the session and store the run.

        Raises:
            TicketgenError: as `prepare_export`, or what the session's state refuses.
        """
        return await self._starter.start(
            "export", session_id=session_id, request=request, user=user
        )


async def prepare_export(start: StartContext, request: ExportRequest) -> ExportPayload:
    """Whether the session may be exported now, and the verdict whose documents are sent.

    Raises:
        UnknownTargetError: the target is not installed.
        TicketgenError: what the target refuses.
        ExportBlockedError: a gate is closed, or there is no fresh verdict that passed.
    """
    session = start.require_session()
    prepared = await prepare_target(start, request)
    blockers = await start.hooks.export_blockers(start.db, session)
    if blockers:
        raise ExportBlockedError(
            " ".join(blocker.message for blocker in blockers),
            recovery_actions=[step for blocker in blockers for step in blocker.recovery_actions],
            technical_details={"blockers": [blocker.code for blocker in blockers]},
        )
    verdict = await validations.valid_verdict(start.db, session)
    if verdict is None:
        raise ExportBlockedError(
            "The tickets have no valid verdict, and so no documents to send.",
            recovery_actions=["Validate them; this needs the plugin adf_validation."],
        )
    return ExportPayload(
        target=request.target,
        options=dict(prepared.options),
        place=prepared.place,
        validation_id=verdict.id,
        project_key=session.jira_project_key,
        user_id=start.user.id if start.user else None,
    )
