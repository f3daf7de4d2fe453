"""The report on a session's sheets, and what a person has accepted of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, column, delete, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain import uploads
from ticketgen.domain.users import User
from ticketgen.errors import NotFoundError
from ticketgen.tables import new_id
from ticketgen_processing.errors import NotAnErrorError, StaleReportError, UnknownGroupError
from ticketgen_processing.examining import Examination, digest_of
from ticketgen_processing.grouping import FindingGroup
from ticketgen_processing.stored import Acceptance, SheetReport

__all__ = [
    "LISTED",
    "CurrentReport",
    "FindingFilter",
    "accept_groups",
    "accepted_identities",
    "count_findings",
    "current_report",
    "list_acceptances",
    "list_findings",
    "put_report",
    "withdraw_acceptance",
]

LISTED = 200
"""So many findings of one group are listed; all are counted."""


@dataclass(frozen=True, kw_only=True)
class CurrentReport:
    """The newest report, and whether it is about the files as they are now."""

    report: SheetReport
    stale: bool


@dataclass(frozen=True, kw_only=True)
class FindingFilter:
    """Which findings of a report are meant; what is None or empty is left open."""

    group: str | None = None
    file: str | None = None
    severity: str | None = None
    containing: str = ""


async def put_report(
    db: AsyncSession,
    *,
    session_id: UUID,
    run_id: UUID,
    digest: str,
    examined: Examination,
    estimates: Mapping[str, Any] | None = None,
) -> None:
    """Store what was found, in the place of the report before.

    `estimates` are those of the writers, by name; None where nobody made any.
    """
    values = {
        "run_id": run_id,
        "sheets_digest": digest,
        "error_count": examined.errors,
        "warning_count": examined.warnings,
        "groups": [_stored(group) for group in examined.groups],
        "findings": [
            {"group": group.id, **finding.model_dump(mode="json")}
            for group in examined.groups
            for finding in group.findings[:LISTED]
        ],
        "summary": {
            "components": len(examined.components),
            "groups": examined.by_group,
            "estimates": estimates,
        },
        "made_at": func.clock_timestamp(),
    }
    await db.execute(
        insert(SheetReport)
        .values(session_id=session_id, **values)
        .on_conflict_do_update(index_elements=["session_id"], set_=values)
    )


def _stored(group: FindingGroup) -> dict[str, Any]:
    return {
        "id": group.id,
        "rule": group.rule,
        "severity": str(group.severity),
        "file": group.file,
        "column": group.column,
        "title": group.title,
        "remedy": group.remedy,
        "count": group.count,
        "rows": list(group.rows),
        "values": [{"value": value, "count": count} for value, count in group.values],
        "suggestions": list(group.suggestions),
        "identities": dict(group.identities),
    }


async def current_report(db: AsyncSession, session_id: UUID) -> CurrentReport:
    """The newest report on the session's sheets.

    Raises:
        NotFoundError: they have not been checked yet.
    """
    report = await db.get(SheetReport, session_id, populate_existing=True)
    if report is None:
        raise NotFoundError(
            "The session's sheets have not been checked yet.",
            recovery_actions=["Check them with POST /api/processing.check/start/{session_id}."],
        )
    digest = digest_of(await uploads.list_uploads(db, session_id))
    return CurrentReport(report=report, stale=digest != report.sheets_digest)


async def list_findings(
    db: AsyncSession, session_id: UUID, only: FindingFilter, *, limit: int | None, offset: int
) -> list[dict[str, Any]]:
    """The listed findings of the newest report as JSON, each with its `group`, in their order."""
    each, place = _each(session_id)
    query = select(each).where(*_asked_for(each, only)).order_by(place)
    return list(await db.scalars(query.limit(limit).offset(offset)))


async def count_findings(db: AsyncSession, session_id: UUID, only: FindingFilter) -> int:
    """How many findings `list_findings` would give without a limit."""
    each, _ = _each(session_id)
    query = select(func.count(each)).where(*_asked_for(each, only))
    return int(await db.scalar(query) or 0)


def _each(session_id: UUID) -> tuple[ColumnElement[Any], ColumnElement[int]]:
    """One finding of the report, and its place in it, as columns to be selected from."""
    stored = select(SheetReport.findings).where(SheetReport.session_id == session_id)
    found = (
        func.jsonb_array_elements(stored.scalar_subquery())
        .table_valued(column("value", JSONB), with_ordinality="place")
        .render_derived()
    )
    return found.c.value, found.c.place


def _asked_for(each: ColumnElement[Any], only: FindingFilter) -> list[ColumnElement[bool]]:
    asked = [
        each[name].astext == value
        for name in ("group", "file", "severity")
        if (value := getattr(only, name)) is not None
    ]
    if only.containing:
        texts = (each[name].astext for name in ("value", "message"))
        asked.append(or_(*(text.icontains(only.containing, autoescape=True) for text in texts)))
    return asked


async def accepted_identities(db: AsyncSession, session_id: UUID) -> frozenset[str]:
    """Of every error that is to stay as it is."""
    found = await db.scalars(
        select(Acceptance.identities).where(Acceptance.session_id == session_id)
    )
    return frozenset(identity for identities in found for identity in identities)


async def list_acceptances(db: AsyncSession, session_id: UUID) -> list[Acceptance]:
    """What was accepted, by group."""
    return list(
        await db.scalars(
            select(Acceptance)
            .where(Acceptance.session_id == session_id)
            .order_by(Acceptance.accepted_at, Acceptance.group_id)
        )
    )


async def accept_groups(
    db: AsyncSession, *, session_id: UUID, group_ids: Sequence[str], reason: str, user: User
) -> list[Mapping[str, Any]]:
    """Let the errors of these groups stay as they are; the groups as the report has them.

    Raises:
        NotFoundError: the sheets have not been checked, or there is no such group.
        StaleReportError: the files have changed since.
        NotAnErrorError: a group of warnings was named.
    """
    current = await current_report(db, session_id)
    if current.stale:
        raise StaleReportError(
            "The files have changed since they were checked.",
            recovery_actions=[
                "Check them again with POST /api/processing.check/start/{session_id}."
            ],
        )
    groups = {group["id"]: group for group in current.report.groups}
    _require_known(group_ids, groups)
    accepted = [groups[group_id] for group_id in dict.fromkeys(group_ids)]
    for group in accepted:
        values = {
            "label": _label(group),
            "identities": sorted(group["identities"]),
            "reason": reason,
            "accepted_by": user.id,
            "accepted_at": func.clock_timestamp(),
        }
        await db.execute(
            insert(Acceptance)
            .values(id=new_id(), session_id=session_id, group_id=group["id"], **values)
            .on_conflict_do_update(index_elements=["session_id", "group_id"], set_=values)
        )
    return accepted


async def withdraw_acceptance(db: AsyncSession, *, session_id: UUID, group_id: str) -> None:
    """Let the errors of a group stop generations again.

    Raises:
        UnknownGroupError: nobody has accepted the group.
    """
    gone = await db.scalars(
        delete(Acceptance)
        .where(Acceptance.session_id == session_id, Acceptance.group_id == group_id)
        .returning(Acceptance.id)
    )
    if gone.first() is None:
        raise UnknownGroupError(
            f"Nobody has accepted a group {group_id!r}.",
            recovery_actions=["See GET /api/processing/findings/{session_id}."],
        )


def _require_known(group_ids: Iterable[str], groups: Mapping[str, Mapping[str, Any]]) -> None:
    unknown = sorted(set(group_ids) - set(groups))
    if unknown:
        raise UnknownGroupError(
            f"The report has no group {', '.join(unknown)}.",
            recovery_actions=["See the groups with GET /api/processing/findings/{session_id}."],
        )
    harmless = [group_id for group_id in group_ids if not groups[group_id]["identities"]]
    if harmless:
        raise NotAnErrorError(
            f"{', '.join(harmless)}: warnings stop nothing and need not be accepted.",
            recovery_actions=["Name groups of errors only."],
        )


def _label(group: Mapping[str, Any]) -> str:
    place = ", ".join(filter(None, (group["file"], group["column"])))
    return f"{place}: {group['title']}" if place else str(group["title"])
