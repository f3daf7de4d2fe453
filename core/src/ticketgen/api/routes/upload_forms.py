"""The files of an upload form, refused as soon as there is too much, before all of it has come."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from fastapi import Request
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from ticketgen.api.limits import FORM_OVERHEAD
from ticketgen.domain.uploads import Stored
from ticketgen.errors import InvalidInputError, TooLargeError
from ticketgen.settings import Settings

__all__ = ["SentFile", "SentForm", "sent_form"]

_ENDING_BYTES = 100
"""More than a form's last line, the closing boundary of at most 70 characters."""

_IN_MEMORY_BYTES = 64 * 1024
"""Of a file; what is larger waits on a disk, whatever the number of those who send."""

_FIELD_BYTES = 64 * 1024
_MOST_FIELDS = 10


@dataclass(frozen=True, kw_only=True)
class SentFile:
    """One file of the form; on a disk if it is large, until it is read."""

    name: str
    part: UploadFile
    is_workbook: bool
    """Whether it holds several sheets, so that its size says nothing of theirs."""

    @property
    def least(self) -> Stored:
        """What it takes of a session's room at least."""
        size = 0 if self.is_workbook else self.part.size or 0
        return Stored(file=self.name, size=size, rows=0)

    def read(self) -> bytes:
        """All of it; to be called in a thread."""
        self.part.file.seek(0)
        return self.part.file.read()


@dataclass(frozen=True, kw_only=True)
class SentForm:
    """What the form holds."""

    files: list[SentFile]
    shelf: IO[bytes]
    """Where sheets wait that are no files of the form but made from one; on a disk, too."""
    types: dict[str, str]
    """Name of a sheet → the type it is to have."""


@asynccontextmanager
async def sent_form(
    request: Request, settings: Settings, workbook_endings: tuple[str, ...]
) -> AsyncIterator[SentForm]:
    """The form of a request; its files are there as long as the block.

    Raises:
        InvalidInputError: it is no form, has no files, or is cut off.
        TooLargeError: it has more files, or more bytes, than a session may have.
    """
    content_type = request.headers.get("content-type", "").lower()
    if not content_type.startswith("multipart/form-data"):
        raise InvalidInputError(
            "The files must come as multipart/form-data, in the field `files`.",
            recovery_actions=["Send them as a form, such as `curl -F files=@Bundles.csv …`."],
        )
    _require_length(request.headers.get("content-length", ""), settings)
    ending = bytearray()
    form = await _parsed(_Parser(request, _watched(request, ending), settings, workbook_endings))
    try:
        # A part that has no end is passed over, and the file in it would be missing.
        if not ending.rstrip().endswith(b"--"):
            raise InvalidInputError(
                "The form ends in the middle; a file may be cut off.",
                recovery_actions=["Send it again."],
            )
        parts = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        files = [
            SentFile(
                name=_name(part.filename),
                part=part,
                is_workbook=_ends(part.filename, workbook_endings),
            )
            for part in parts
        ]
        _require_files(files)
        with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as shelf:
            yield SentForm(files=files, shelf=shelf, types=_types(form.get("types")))
    finally:
        await form.close()


class _Parser(MultiPartParser):
    """Starlette's, which counts files and bytes while they come and stops at the first too many."""

    spool_max_size = _IN_MEMORY_BYTES

    def __init__(
        self,
        request: Request,
        stream: AsyncGenerator[bytes, None],
        settings: Settings,
        workbook_endings: tuple[str, ...],
    ) -> None:
        super().__init__(
            Headers(scope=request.scope),
            stream,
            max_files=settings.upload_max_files + 1,
            max_fields=_MOST_FIELDS,
            max_part_size=_FIELD_BYTES,
        )
        self._settings = settings
        self._workbook_endings = workbook_endings
        self._limit = 0
        self._size = 0

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        file = self._current_part.file
        if file is None:
            return
        if self._current_files > self._settings.upload_max_files:
            raise TooLargeError(
                f"A session may have at most {self._settings.upload_max_files} files; "
                "the form has more.",
                recovery_actions=["Upload only the sheets the tickets are to be made from."],
            )
        self._limit = (
            self._settings.upload_max_session_bytes
            if _ends(file.filename, self._workbook_endings)
            else self._settings.upload_max_file_bytes
        )
        self._size = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        super().on_part_data(data, start, end)
        file = self._current_part.file
        if file is None:
            return
        self._size += end - start
        if self._size > self._limit:
            raise TooLargeError(
                f"A file may have at most {self._limit:,} bytes; {_name(file.filename)} has more.",
                recovery_actions=["Split the sheet, or remove what does not belong to it."],
            )


async def _watched(request: Request, ending: bytearray) -> AsyncGenerator[bytes, None]:
    """The request's body, of which the last bytes are kept in `ending`."""
    async for chunk in request.stream():
        ending.extend(chunk[-_ENDING_BYTES:])
        del ending[:-_ENDING_BYTES]
        yield chunk


async def _parsed(parser: _Parser) -> FormData:
    reason = ""
    try:
        return await parser.parse()
    except MultiPartException as error:
        reason = error.message
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        reason = error.detail
    raise InvalidInputError(
        f"The form cannot be read: {reason}",
        recovery_actions=["Send it as multipart/form-data with a boundary and named parts."],
    )


def _require_length(length: str, settings: Settings) -> None:
    """Refuse by what the request says of itself; what says nothing, or lies, is counted."""
    limit = settings.upload_max_session_bytes
    if length.isdecimal() and len(length) < 20 and int(length) > limit + FORM_OVERHEAD:
        raise TooLargeError(
            f"The request has {int(length):,} bytes; all files of a session may have {limit:,}.",
            recovery_actions=["Upload fewer files, or remove what does not belong to them."],
        )


def _require_files(files: list[SentFile]) -> None:
    if not files:
        raise InvalidInputError(
            "The form has no file in the field `files`.",
            recovery_actions=["Choose at least one CSV file or workbook."],
        )
    names = [file.name for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInputError(
            f"Two files have the same name: {', '.join(twice)}.",
            recovery_actions=["Rename one of them."],
        )


def _name(sent: str | None) -> str:
    """The bare name of a file: what a browser of another system sends as a path is cut off."""
    bare = PurePosixPath((sent or "").replace("\\", "/")).name
    if bare in {"", ".."} or len(bare) > 255 or not bare.isprintable():
        raise InvalidInputError(
            f"{sent!r:.80} is no usable file name.",
            recovery_actions=["Give the file a name of 1 to 255 printable characters."],
        )
    return bare


def _ends(name: str | None, endings: tuple[str, ...]) -> bool:
    return (name or "").lower().endswith(endings)


def _types(sent: Any) -> dict[str, str]:
    if sent is None:
        return {}
    try:
        types = json.loads(sent) if isinstance(sent, str) else None
    except (ValueError, RecursionError):
        types = None
    if not isinstance(types, dict) or not all(isinstance(one, str) for one in types.values()):
        raise InvalidInputError(
            "The field `types` is no JSON object of names of sheets with their types.",
            recovery_actions=['Send it like `{"Bundles.csv": "bundles"}`, or leave it out.'],
        )
    return types
