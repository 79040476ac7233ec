"""File uploads: CSRF token, storage limit, virus scan, and Idempotency-Key over file hash and fields."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, cast

import structlog
from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter
from sqlalchemy import Connection, case, func, select

from app.api.dependencies import Config, Who, hint_of
from app.api.idempotency_store import IdempotencyClaim, StoredAnswer, find, once
from app.api.idempotent_route import Key, respond
from app.core import clock
from app.core.config import Settings
from app.core.errors import AppError, Invalid
from app.core.states import BatchState
from app.database.connection import Database
from app.database.models import attachments, batches, receipt_files, signed_papers
from app.file_import.upload import Admit, NoRoom, Upload, received, require_room
from app.security import Caller, sessions
from app.security.authorization import CSRF_FIELD, OWED, require_still

_CLEAN, _FOUND = 0, 1  # exit status of clamscan and clamdscan; wrappers of other scanners return the same
_SAID = 300  # characters of its output that are logged
_LONGEST = 4  # bytes of a character

log = structlog.get_logger(__name__)


class Harmful(Invalid):
    """The scanner (`scan_command`) found malware in the file.

    Nothing was stored.
    """

    slug, title = "harmful-file", "The file is refused by the scanner"


class Unscanned(AppError):
    """The scanner did not answer, or not in time (`scan_seconds`).

    See its log and Loa's. Nothing was stored. Upload the file again when the scanner works.
    """

    status, slug, title = 503, "not-scanned", "The file cannot be scanned now"


async def require_clean(settings: Settings, path: Path) -> None:
    """Raise Harmful or Unscanned unless the program of `scan_command`, if set, passes the file."""
    if not settings.scan_command:
        return
    code, said = await _run(_command(settings, path), settings.scan_seconds)
    if code == _CLEAN:
        return
    log.warning("an upload was refused by the scanner", exit_status=code, said=said.strip()[-_SAID:])
    if code == _FOUND:
        raise Harmful(
            "The file contains malware. Clean the computer that it comes from.",
            field="file",
        )
    raise Unscanned(
        "The file could not be scanned for malware and was not accepted. Contact your administrator."
    )


def _command(settings: Settings, path: Path) -> tuple[str, ...]:
    """Use an absolute path, which can't be taken for an option."""
    return (*settings.scan_command, str(path.absolute()))


async def _run(command: tuple[str, ...], seconds: float) -> tuple[int | None, str]:
    """Run the command without a shell; return exit status and output, or None if it fails to start or end."""
    # A file, because a pipe stays open until every process that the command left behind has ended.
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOA_")}
    with TemporaryFile() as output:
        try:
            program = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=env,  # hostile bytes are read there, and our secrets are none of its business
                start_new_session=True,
            )
        except OSError as error:
            return None, str(error.strerror)
        try:
            await asyncio.wait_for(program.wait(), seconds)
        except TimeoutError:
            return None, f"no answer after {seconds:g} s"
        finally:
            if program.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)  # includes its children
                await program.wait()
        output.seek(max(0, output.seek(0, os.SEEK_END) - _SAID * _LONGEST))
        return program.returncode, output.read().decode("utf-8", "replace")


BODY_LIMIT = 1_048_576  # bytes of an ordinary body, and of everything around an upload's file
_LOOK_S = 10.0  # between two looks at a sender's right while a file comes in
_LINE = 40  # bytes of a line in the ledger
FOLDER = "uploads"
LIMIT = "loa_body_limit"  # key in a request's scope that raises the limit


@asynccontextmanager
async def taken(
    request: Request, settings: Settings, folder: Path, limit: int, **more: int
) -> AsyncIterator[Upload]:
    """Receive the request's upload into `folder`, deleted after the block; `limit`: bytes of its file.

    more: `field_limit`, bytes of all fields beside the file, where they hold more than names.

    A page's form must show its CSRF token before any byte is stored; a complete file must pass the scanner,
    and its sender must still have the right to hand it in.
    """
    kind = request.headers.get("content-type", "")
    await _require_room(request, settings, folder)
    async with received(_body(request, limit), folder, kind, limit, _admit(request), **more) as upload:
        await require_clean(settings, upload.path)
        await require_still(request)
        _require_known(request, upload.fields)
        yield upload


def _require_known(request: Request, fields: Iterable[str]) -> None:
    """Raise Invalid for a field that the API's description of this upload does not have."""
    described = getattr(request.scope["route"], "openapi_extra", None) or {}
    for form in described.get("requestBody", {}).get("content", {}).values():
        known = form["schema"]["properties"]
        for name in fields:
            if name not in known:
                field, hint = f"body.{name[:40]}", hint_of(name, known)
                raise Invalid("Unknown form field {field}. {hint}", hint=hint, field=field)


async def _require_room(request: Request, settings: Settings, folder: Path) -> None:
    """Raise NoRoom before a byte is stored if the disk is full or the account has used its share."""
    length = request.headers.get("content-length", "")
    await run_in_threadpool(require_room, folder, int(length[:18]) if length.isdecimal() else 0)
    db, caller = cast(Database, request.app.state.db), cast(Caller, request.scope["admitted"])
    stored = await db.aread(stored_by, caller.name)
    if stored >= settings.account_limit_mb * 1024**2:
        raise NoRoom(
            "Your account has stored {n} MB, which is the limit for one account "
            "(account_limit_mb). Files are deleted when their retention period ends. For more "
            "space, contact your administrator.",
            n=stored // 1024**2,
        )


def stored_by(connection: Connection, who: str) -> int:
    """Return the bytes of this account's stored uploads: files as their lines, scans, papers."""
    total = 0
    for table in (batches, receipt_files):
        size = case((table.c.bytes > _LINE * table.c.lines, table.c.bytes), else_=_LINE * table.c.lines)
        kept = table.c.created_by == who, table.c.state != BatchState.ERASED
        total += int(connection.execute(select(func.coalesce(func.sum(size), 0)).where(*kept)).scalar_one())
    a, p = attachments.c, signed_papers.c
    for stored, by in ((a.size, a.created_by), (p.size, p.by)):
        scans = select(func.coalesce(func.sum(stored), 0)).where(by == who)
        total += int(connection.execute(scans).scalar_one())
    return total


def _admit(request: Request) -> Admit | None:
    """Return a check of a page form's CSRF token, read from the fields before the file, if still due."""
    token = request.scope.pop(OWED, None)
    if token is None:
        return None
    return lambda fields: sessions.require_csrf(token, fields.pop(CSRF_FIELD, b"").decode("utf-8", "replace"))


async def _body(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the body of an upload whose file may have `limit` bytes; raise once its sender lost the right.

    Only here, after admission, may a body exceed BODY_LIMIT; nothing in the request itself raises it.
    """
    request.scope[LIMIT] = limit + BODY_LIMIT
    looked = clock.monotonic()
    async for part in request.stream():
        if clock.monotonic() - looked >= _LOOK_S:
            looked = clock.monotonic()
            await require_still(request)
        yield part


@dataclass(frozen=True, slots=True)
class Intake:
    """How to process one upload: once per key, if there is one. place: method and address."""

    caller: str
    place: str
    key: str | None
    keep_ms: int

    def take(
        self, connection: Connection, upload: Upload, act: Callable[[Connection], StoredAnswer]
    ) -> tuple[StoredAnswer, bool]:
        """Return the response and whether it was stored before; the action runs in this transaction."""
        claim = self._claim(upload)
        return (act(connection), False) if claim is None else once(connection, claim, self.keep_ms, act)

    def found(self, connection: Connection, upload: Upload) -> StoredAnswer | None:
        """Return a stored response, for callers with much work before the transaction."""
        claim = self._claim(upload)
        return None if claim is None else find(connection, claim, self.keep_ms)

    def _claim(self, upload: Upload) -> IdempotencyClaim | None:
        """Claim the content; the file's name and the boundaries of the multipart body do not count."""
        if self.key is None:
            return None
        said = json.dumps([self.place, upload.file.sha256, sorted(upload.fields.items())])
        return IdempotencyClaim(self.caller, self.key, hashlib.sha256(said.encode()).hexdigest())


async def get_intake(request: Request, who: Who, settings: Config, key: Key = None) -> Intake:
    place = f"{request.method} {request.url.path}?{request.url.query}"
    return Intake(who.name, place, key, settings.idempotency_ms)


Taking = Annotated[Intake, Depends(get_intake)]


def answer(status: int, kind: Any, record: Any, location: str | None = None) -> StoredAnswer:
    """Build the response FastAPI would build: `record` as JSON of this type."""
    headers = {"location": location} if location else {}
    return StoredAnswer(status, headers, _adapter(kind).dump_json(record))


def sent(stored: tuple[StoredAnswer, bool]) -> Response:
    return respond(*stored)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def file_body(required: Sequence[str] = (), **fields: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an upload for the API's description: its file, and what else its form may have."""
    texts = {name: {"type": "string", **rules} for name, rules in fields.items()}
    properties = {"file": {"type": "string", "format": "binary"}, **texts}
    schema: dict[str, Any] = {"type": "object", "required": ["file", *required], "properties": properties}
    schema["additionalProperties"] = False
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
