"""Uploads: many CSV files at once, each looked at before any of them is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from ticketgen.api import examples
from ticketgen.api.deps import (
    Credentials,
    CurrentUser,
    LockedSession,
    OwnedSession,
    SessionId,
    Work,
    current_user,
    problem_responses,
    refuse_foreign,
)
from ticketgen.api.host import HostRuntime
from ticketgen.api.problems import FindingsError
from ticketgen.context import Contributions
from ticketgen.domain import audit, sessions, task_runs, uploads
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    TooLargeError,
)
from ticketgen.findings import Finding
from ticketgen.provides import Inspection, UploadInspector
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.starting import UnitOfWork

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/uploads", tags=["uploads"])


_ENDING_BYTES = 100
"""More than a form's last line, the closing boundary of at most 70 characters."""


class UploadView(BaseModel):
    """One stored file."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.UPLOAD]}
    )

    id: UUID
    file_name: str
    csv_type: str
    row_count: int = Field(description="Rows below the header.")
    size: int = Field(description="Bytes.")
    sha256: str
    created_at: datetime


class UploadResult(BaseModel):
    """What was stored, and what is worth a look in it."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.UPLOAD_RESULT]})

    uploads: list[UploadView]
    findings: list[Finding] = Field(
        description="Problems inside the files; they stop nothing, tickets get a note of them."
    )


@dataclass(frozen=True, kw_only=True)
class _File:
    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class _Received:
    files: list[_File]
    inspections: dict[str, Inspection]


async def _receive(
    request: Request,
    session_id: SessionId,
    credentials: Credentials,
    runtime: HostRuntime,
    csv_type: Annotated[
        str | None,
        Query(max_length=50, description="The type of the files, if it is not to be detected."),
    ] = None,
) -> _Received:
    """The files of the form, read and looked at while no connection and no lock is held.

    How long that takes is up to the sender; a few slow ones would stop the API for everybody.
    """
    async with runtime.unit_of_work() as work:
        user = await current_user(work, credentials)
        session = await sessions.get_session(work.db, session_id)
        refuse_foreign(session, user)
        await _require_open(work, session)
        stored = await uploads.usage(work.db, session.id)
    try:
        files = await _read_form(request, runtime.settings)
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise InvalidInputError(
            f"The form cannot be read: {error.detail}",
            recovery_actions=["Send it as multipart/form-data with a boundary and named parts."],
        ) from error
    _require_room(stored, files, runtime.settings)
    return _Received(files=files, inspections=await _inspected(runtime, files, csv_type))


# The first parameter of its route: dependencies are resolved in that order, and the transaction
# of the others must not begin before the files are there.
Received = Annotated[_Received, Depends(_receive, scope="function")]


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
                        }
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
    """Store CSV files: all of them, or, if one cannot be read, none; all problems are told at once.

    A file replaces one of the same name. New files take a session in review back to `upload`.
    """
    await _require_open(work, session)
    files, inspections = received.files, received.inspections
    _require_room(await uploads.usage(work.db, session.id), files, runtime.settings)
    findings = tuple(item for inspection in inspections.values() for item in inspection.findings)
    refused = [name for name, inspection in inspections.items() if not inspection.sheets]
    if refused:
        raise FindingsError(
            f"Nothing was stored: {', '.join(refused)} cannot be read as a specification sheet.",
            findings,
        )
    stored = [
        await uploads.put_upload(
            work.db,
            session_id=session.id,
            file_name=sheet.name,
            csv_type=sheet.csv_type,
            row_count=sheet.row_count,
            content=sheet.content,
            workbook=file.name if sheet.name != file.name else None,
            confidence=sheet.confidence,
            detected_by=sheet.detected_by,
            encoding=sheet.encoding,
        )
        for file in files
        for sheet in inspections[file.name].sheets
    ]
    session.stage = Stage.UPLOAD
    sessions.touch(session)
    audit.record(
        work.db,
        "uploads.stored",
        actor_id=user.id,
        session_id=session.id,
        details={"files": [file.name for file in files]},
    )
    for upload in stored:
        await work.db.refresh(upload, ["created_at"])
    return UploadResult(
        uploads=[UploadView.model_validate(upload) for upload in stored], findings=list(findings)
    )


@router.get("", responses=problem_responses(403, 404))
async def list_files(session: OwnedSession, work: Work) -> list[UploadView]:
    """List the session's files by name."""
    return [
        UploadView.model_validate(item) for item in await uploads.list_uploads(work.db, session.id)
    ]


@router.delete("/{upload_id}", status_code=204, responses=problem_responses(403, 404, 409))
async def delete_file(
    upload_id: UUID, session: LockedSession, work: Work, user: CurrentUser
) -> Response:
    """Remove a file; a session in review goes back to `upload`."""
    await _require_open(work, session)
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


async def _require_open(work: UnitOfWork, session: WorkSession) -> None:
    """Let the files alone while somebody reads them, and once they have been exported."""
    sessions.require_stage(
        session,
        Stage.SITE_INFO_COLLECTION,
        Stage.UPLOAD,
        Stage.REVIEW,
        doing="Changing the files",
    )
    active = await task_runs.find_active_run(work.db, session_id=session.id)
    if active is not None:
        raise ConflictError(
            f"`{active.task_type}` is at work on this session.",
            recovery_actions=[f"Wait until the run {active.id} has ended."],
        )


def _keep_ending(receive: Receive, ending: bytearray) -> Receive:
    """The request's body, of which the last bytes are kept in `ending`."""

    async def kept() -> Message:
        message = await receive()
        ending.extend(message.get("body", b""))
        del ending[:-_ENDING_BYTES]
        return message

    return kept


async def _read_form(request: Request, settings: Settings) -> list[_File]:
    """The files of the form, refused by number and size before they are in memory."""
    content_type = request.headers.get("content-type", "").lower()
    if not content_type.startswith("multipart/form-data"):
        raise InvalidInputError(
            "The files must come as multipart/form-data, in the field `files`.",
            recovery_actions=["Send them as a form, such as `curl -F files=@Bundles.csv …`."],
        )
    ending = bytearray()
    watched = Request(request.scope, _keep_ending(request.receive, ending))
    async with watched.form(max_files=1000, max_fields=10) as form:
        # Starlette passes over a part that has no end, and the file in it would be missing.
        if not ending.rstrip().endswith(b"--"):
            raise InvalidInputError(
                "The form ends in the middle; a file may be cut off.",
                recovery_actions=["Send it again."],
            )
        parts = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        if not parts:
            raise InvalidInputError(
                "The form has no file in the field `files`.",
                recovery_actions=["Choose at least one CSV file."],
            )
        if len(parts) > settings.upload_max_files:
            raise _too_many(len(parts), settings)
        _require_sizes(parts, settings)
        return _distinct([_File(name=_name(part), content=await part.read()) for part in parts])


def _require_sizes(parts: list[UploadFile], settings: Settings) -> None:
    limit = settings.upload_max_file_bytes
    large = [f"{_name(part)} ({part.size:,} bytes)" for part in parts if (part.size or 0) > limit]
    if large:
        raise TooLargeError(
            f"A file may have at most {limit:,} bytes: {', '.join(large)}.",
            recovery_actions=["Split the sheet, or remove what does not belong to it."],
        )


def _name(part: UploadFile) -> str:
    """The bare name of a file: what a browser of another system sends as a path is cut off."""
    bare = PurePosixPath((part.filename or "").replace("\\", "/")).name
    if bare in {"", ".."} or len(bare) > 255 or not bare.isprintable():
        raise InvalidInputError(
            f"{part.filename!r:.80} is no usable file name.",
            recovery_actions=["Give the file a name of 1 to 255 printable characters."],
        )
    return bare


def _distinct(files: list[_File]) -> list[_File]:
    names = [file.name for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInputError(
            f"Two files have the same name: {', '.join(twice)}.",
            recovery_actions=["Rename one of them."],
        )
    return files


def _too_many(count: int, settings: Settings) -> TooLargeError:
    return TooLargeError(
        f"A session may have at most {settings.upload_max_files} files, not {count}.",
        recovery_actions=["Upload only the sheets the tickets are to be made from."],
    )


def _require_room(stored: Mapping[str, int], files: list[_File], settings: Settings) -> None:
    sizes = {**stored, **{file.name: len(file.content) for file in files}}
    if len(sizes) > settings.upload_max_files:
        raise _too_many(len(sizes), settings)
    if sum(sizes.values()) > settings.upload_max_session_bytes:
        raise TooLargeError(
            f"A session may have {settings.upload_max_session_bytes:,} bytes of files, "
            f"not {sum(sizes.values()):,}.",
            recovery_actions=["Remove files that are not needed."],
        )


async def _inspected(
    runtime: Runtime, files: list[_File], csv_type: str | None
) -> dict[str, Inspection]:
    inspectors = runtime.registry.provided(UploadInspector)
    if not inspectors:
        raise ConfigurationError(
            "No installed plugin can read specification sheets.",
            recovery_actions=["Ask an administrator to install ticketgen-processing."],
        )
    return {
        file.name: await asyncio.to_thread(
            _first_that_knows, inspectors, file, csv_type, runtime.registry
        )
        for file in files
    }


def _first_that_knows(
    inspectors: Sequence[UploadInspector],
    file: _File,
    csv_type: str | None,
    contributions: Contributions,
) -> Inspection:
    """What the first inspector that finds a type says, else what the first one refuses it for."""
    chosen = {file.name: csv_type} if csv_type else {}
    found = [item.inspect(file.name, file.content, chosen, contributions) for item in inspectors]
    return next((inspection for inspection in found if inspection.sheets), found[0])
