"""Uploads: many sheets at once, each looked at before any of them is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api import examples
from ticketgen.api.deps import (
    Credentials,
    CurrentUser,
    LockedSession,
    OwnedSession,
    SessionId,
    UnitOfWork,
    Work,
    current_user,
    problem_responses,
    refuse_foreign,
)
from ticketgen.api.host import HostRuntime
from ticketgen.api.routes.kept_sheets import KeptSheet
from ticketgen.api.routes.upload_forms import sent_form
from ticketgen.api.routes.upload_rules import (
    LookedAt,
    inspect_form,
    inspect_one,
    inspectors_of,
    require_open,
    require_room,
    workbook_endings,
)
from ticketgen.domain import audit, sessions, uploads
from ticketgen.domain.sessions import Stage
from ticketgen.domain.uploads import Upload
from ticketgen.errors import ConflictError
from ticketgen.findings import Finding, FindingsError
from ticketgen.provides import Inspection

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/uploads", tags=["uploads"])


class UploadView(BaseModel):
    """One stored sheet."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.UPLOAD]}
    )

    id: UUID
    file_name: str = Field(description="Of a sheet of a workbook: `{workbook}/{sheet}`.")
    workbook: str | None = Field(description="The uploaded workbook it is a sheet of, if it is.")
    csv_type: str
    confidence: float = Field(description="How sure the type is, from 0 to 1; 1 if chosen.")
    detected_by: str = Field(
        description="`file name and header`, `file name`, `header` or `chosen`."
    )
    encoding: str = Field(description="Of the uploaded file: `utf-8`, `windows-1252`, `xlsx`.")
    row_count: int = Field(description="Rows below the header.")
    size: int = Field(description="Bytes, as stored.")
    sha256: str
    created_at: datetime


class UploadResult(BaseModel):
    """What was stored, and what is worth a look in it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.UPLOAD_RESULT]})

    uploads: list[UploadView]
    findings: list[Finding] = Field(
        description="Problems inside the files, and sheets that were left out."
    )


class UploadChange(BaseModel):
    """What may be corrected of a stored sheet."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [examples.UPLOAD_CHANGE]}
    )

    csv_type: str = Field(min_length=1, max_length=50, description="The type it is to have.")


class ChangedUpload(BaseModel):
    """A corrected sheet, and what is worth a look in it as the type it has now."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.CHANGED_UPLOAD]})

    upload: UploadView
    findings: list[Finding]


@dataclass(frozen=True, kw_only=True)
class _LookedAgain:
    inspection: Inspection
    sha256: str


async def _receive(
    request: Request,
    session_id: SessionId,
    credentials: Credentials,
    runtime: HostRuntime,
    csv_type: Annotated[
        str | None,
        Query(max_length=50, description="The type of the files, if it is not to be detected."),
    ] = None,
) -> AsyncIterator[LookedAt]:
    """The files of the form, read and looked at while no connection and no lock is held.

    How long that takes is up to the sender; a few slow ones would stop the API for everybody.
    The files are there until the route has ended.
    """
    async with runtime.unit_of_work() as work:
        user = await current_user(work, credentials)
        session = await sessions.get_session(work.db, session_id)
        refuse_foreign(session, user)
        await require_open(work, session)
        stored = await uploads.usage(work.db, session_id)
    endings = workbook_endings(inspectors_of(runtime.registry))
    async with sent_form(request, runtime.settings, endings) as form:
        require_room(stored, [file.least for file in form.files], runtime.settings)
        yield await inspect_form(
            form, csv_type, runtime.registry, stored=stored, settings=runtime.settings
        )


# The first parameter of its route: dependencies are resolved in that order, and the transaction
# of the others must not begin before the files are there.
Received = Annotated[LookedAt, Depends(_receive, scope="function")]


async def _look_again(
    session_id: SessionId,
    upload_id: UUID,
    change: UploadChange,
    credentials: Credentials,
    runtime: HostRuntime,
) -> _LookedAgain:
    """The stored sheet, looked at as the type it is to have, while no lock is held."""
    async with runtime.unit_of_work() as work:
        user = await current_user(work, credentials)
        session = await sessions.get_session(work.db, session_id)
        refuse_foreign(session, user)
        await require_open(work, session)
        upload = await uploads.get_upload(work.db, session_id=session_id, upload_id=upload_id)
        content = await uploads.read_content(work.db, upload)
        name, sha256 = upload.file_name, upload.sha256
    inspection = await asyncio.to_thread(
        inspect_one,
        inspectors_of(runtime.registry),
        name,
        content,
        {name: change.csv_type},
        runtime.registry,
    )
    return _LookedAgain(inspection=inspection, sha256=sha256)


LookedAgain = Annotated[_LookedAgain, Depends(_look_again, scope="function")]


_FILES_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {
                                "type": "string",
                                "contentMediaType": "application/octet-stream",
                            },
                        },
                        "types": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": "An object: name of a sheet (`Bundles.csv`, "
                            "`Book.xlsx/Bundles`) to the type it is to have.",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    responses=problem_responses(403, 404, 409, 413, 422),
    openapi_extra=_FILES_BODY,
)
async def upload_files(
    received: Received,
    session: LockedSession,
    work: Work,
    user: CurrentUser,
    runtime: HostRuntime,
) -> UploadResult:
    """Store sheets: all of them, or, if one cannot be read, none; all problems are told at once.

    A file replaces one of the same name, a workbook all its sheets. New files take a session in
    review back to `upload`.
    """
    await require_open(work, session)
    if received.refused:
        raise FindingsError(
            f"Nothing was stored: {', '.join(received.refused)} cannot be read as a "
            "specification sheet.",
            received.findings,
        )
    files = list(received.files)
    sheets = [sheet for _, sheet in received.sheets]
    stored = await uploads.usage(work.db, session.id)
    require_room(stored, received.room, runtime.settings)
    gone = await uploads.delete_replaced(
        work.db, session_id=session.id, files=files, keep=[sheet.name for sheet in sheets]
    )
    put = [await _put(work, session.id, file, sheet) for file, sheet in received.sheets]
    session.stage = Stage.UPLOAD
    sessions.touch(session)
    audit.record(
        work.db,
        "uploads.stored",
        actor_id=user.id,
        session_id=session.id,
        details={"files": files, "sheets": [sheet.name for sheet in sheets], "removed": gone},
    )
    for upload in put:
        await work.db.refresh(upload, ["created_at"])
    return UploadResult(
        uploads=[UploadView.model_validate(upload) for upload in put],
        findings=list(received.findings),
    )


async def _put(work: UnitOfWork, session_id: UUID, file: str, sheet: KeptSheet) -> Upload:
    """Store one sheet; its bytes are in memory for just so long."""
    upload = await uploads.put_upload(
        work.db,
        session_id=session_id,
        file_name=sheet.name,
        csv_type=sheet.csv_type,
        row_count=sheet.row_count,
        content=await asyncio.to_thread(sheet.read),
        workbook=file if sheet.name != file else None,
        confidence=sheet.confidence,
        detected_by=sheet.detected_by,
        encoding=sheet.encoding,
    )
    work.db.expire(upload, ["content"])
    return upload


@router.get("", responses=problem_responses(403, 404))
async def list_files(session: OwnedSession, work: Work) -> list[UploadView]:
    """List the session's sheets by name."""
    return [
        UploadView.model_validate(item) for item in await uploads.list_uploads(work.db, session.id)
    ]


@router.patch("/{upload_id}", responses=problem_responses(403, 404, 409, 422))
async def correct_file(
    looked: LookedAgain, upload_id: UUID, session: LockedSession, work: Work, user: CurrentUser
) -> ChangedUpload:
    """Correct the type of a sheet without uploading it again.

    Another type takes a session in review back to `upload`; the same one only says that it is
    right.
    """
    await require_open(work, session)
    upload = await uploads.get_upload(work.db, session_id=session.id, upload_id=upload_id)
    if upload.sha256 != looked.sha256:
        raise ConflictError(
            f"{upload.file_name} was replaced meanwhile.",
            recovery_actions=["Look at the new file, and correct its type if it is still wrong."],
        )
    if not looked.inspection.sheets:
        raise FindingsError(
            f"{upload.file_name} cannot have this type.", looked.inspection.findings
        )
    found = looked.inspection.sheets[0]
    audit.record(
        work.db,
        "upload.type_corrected",
        actor_id=user.id,
        session_id=session.id,
        subject=upload.file_name,
        details={"from": upload.csv_type, "to": found.csv_type},
    )
    if found.csv_type != upload.csv_type:
        session.stage = Stage.UPLOAD
    upload.csv_type = found.csv_type
    upload.confidence = found.confidence
    upload.detected_by = found.detected_by
    upload.row_count = found.row_count
    sessions.touch(session)
    return ChangedUpload(
        upload=UploadView.model_validate(upload), findings=list(looked.inspection.findings)
    )


@router.get(
    "/{upload_id}/content",
    responses=problem_responses(403, 404)
    | {200: {"content": {"text/csv": {}}, "description": "The sheet as it is stored."}},
    response_class=Response,
)
async def read_file(upload_id: UUID, session: OwnedSession, work: Work) -> Response:
    """Download a sheet as it is stored: a CSV file as it came, one of a workbook in UTF-8."""
    upload = await uploads.get_upload(work.db, session_id=session.id, upload_id=upload_id)
    content = await uploads.read_content(work.db, upload)
    name = upload.file_name.replace("/", " - ") + (".csv" if upload.workbook else "")
    return Response(
        content,
        media_type="application/octet-stream" if upload.workbook is None else "text/csv",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.delete("/{upload_id}", status_code=204, responses=problem_responses(403, 404, 409))
async def delete_file(
    upload_id: UUID, session: LockedSession, work: Work, user: CurrentUser
) -> Response:
    """Remove a sheet; a session in review goes back to `upload`."""
    await require_open(work, session)
    upload = await uploads.get_upload(work.db, session_id=session.id, upload_id=upload_id)
    audit.record(
        work.db,
        "upload.deleted",
        actor_id=user.id,
        session_id=session.id,
        subject=upload.file_name,
    )
    await work.db.delete(upload)
    session.stage = Stage.UPLOAD
    sessions.touch(session)
    return Response(status_code=204)
