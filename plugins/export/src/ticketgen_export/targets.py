"""Which target an export goes to, and what is asked of it before the export is stored."""

from __future__ import annotations

from ticketgen import ConsultContext, Contributions, StartContext
from ticketgen.provides import ExportContext, ExportTarget, PreparedExport
from ticketgen_export.errors import UnknownTargetError
from ticketgen_export.schemas import ExportRequest

__all__ = ["consult_target", "owned_target", "prepare_target"]


def owned_target(contributions: Contributions, name: str) -> tuple[str, ExportTarget]:
    """The target of that name, and the plugin that brings it.

    Raises:
        UnknownTargetError: no installed plugin provides it.
    """
    targets = {
        target.name: (plugin, target) for plugin, target in contributions.owned(ExportTarget)
    }
    if name not in targets:
        raise UnknownTargetError(
            f"No installed plugin provides the target {name!r}.",
            recovery_actions=[f"Choose one of: {', '.join(targets)}."],
        )
    return targets[name]


async def consult_target(consult: ConsultContext, request: ExportRequest) -> None:
    """Ask the other system whether the export can work; nothing is open meanwhile.

    Raises:
        TicketgenError: what the target refuses.
    """
    plugin, target = owned_target(consult.contributions, request.target)
    if target.consult is None:
        return
    session = consult.require_session()
    await target.consult(
        ExportContext(
            session_id=session.id,
            user_id=consult.user.id if consult.user else None,
            project_key=session.jira_project_key,
            options=request.options,
            settings=consult.contributions.settings_of(plugin),
            state=consult.states.get(plugin),
        )
    )


async def prepare_target(start: StartContext, request: ExportRequest) -> PreparedExport:
    """The options as the target settles them, and where the export goes.

    Raises:
        UnknownTargetError: the target is not installed.
        TicketgenError: what the target refuses.
    """
    plugin, target = owned_target(start.contributions, request.target)
    session = start.require_session()
    project_key = session.jira_project_key
    if target.prepare is None:
        return PreparedExport(options=request.options, place=project_key or "")
    prepared = await target.prepare(
        start.db,
        ExportContext(
            session_id=session.id,
            user_id=start.user.id if start.user else None,
            project_key=project_key,
            options=request.options,
            settings=start.contributions.settings_of(plugin),
        ),
    )
    return (
        prepared
        if prepared.place
        else PreparedExport(options=prepared.options, place=project_key or "")
    )
