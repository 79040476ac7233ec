"""Receive a multipart upload: stream one file to disk while hashing it, and read a few short fields."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.core.errors import GIVEN_TWICE, AppError, Invalid, TooLarge
from app.core.masking import escaped, mask_written

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# Checks the fields before the file and raises to refuse the upload; may remove some of them.
Admit = Callable[[dict[str, bytes]], None]
PART = ".part"  # suffix of an upload that is being received
_FIELD_LIMIT = 1000  # bytes, unless the caller takes more
_ROOM = 256 * 1024**2  # bytes to keep free
_MALFORMED = "The request body is not valid multipart/form-data. Send the file in the field “file”."


class NoRoom(AppError):
    """The server does not have enough disk space, or the account has reached its limit (`account_limit_mb`).

    Nothing was stored.
    """

    status, slug, title = 507, "no-room", "Not enough disk space"


_DISK_FULL = (
    "The server does not have enough disk space for this file. Contact your administrator, then "
    "upload it again later."
)


def require_room(folder: Path, size: int) -> None:
    """Raise NoRoom unless the disk can take `size` bytes and still has room for the ledger."""
    if shutil.disk_usage(folder).free < size + _ROOM:
        raise NoRoom(_DISK_FULL)


@contextmanager
def _on_disk() -> Iterator[None]:
    """Raise NoRoom if the disk becomes full while writing."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoRoom(_DISK_FULL) from None


def shown_name(name: str) -> str:
    """Return a file's name as it is kept and shown: one line of 200 characters, no control characters."""
    return escaped(name.encode("utf-8", "replace").decode())[:200]


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A received file; `sha256` in hexadecimal, `size` in bytes. Phone numbers in its name are masked."""

    name: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        # Names stand in lists, papers and certificates, and outlive the rows of the file.
        object.__setattr__(self, "name", mask_written(self.name))

    def lock(self, whose: str) -> int:
        """Return the advisory lock number for this content and its owner: 8 bytes, signed."""
        digest = hashlib.sha256(f"{whose} {self.sha256}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)


@dataclass(frozen=True, slots=True)
class Upload:
    """A completely received file at `path`, and the fields sent with it."""

    path: Path
    file: UploadedFile
    fields: dict[str, str]

    @property
    def named(self) -> UploadedFile:
        return replace(self.file, name=self.fields.get("name") or self.file.name)


@asynccontextmanager
async def received(
    body: AsyncIterable[bytes],
    folder: Path,
    content_type: str,
    limit: int,
    admit: Admit | None = None,
    field_limit: int = _FIELD_LIMIT,
) -> AsyncIterator[Upload]:
    """Receive the upload in a request body; its file is deleted at the end unless it was moved.

    limit: bytes of the file; field_limit: of all fields beside it; admit: called once, before any byte of the
    file is stored. Invalid or TooLarge if the body can't be accepted.
    """
    from starlette.concurrency import run_in_threadpool  # imported late; the command line does not use it

    receiver = await run_in_threadpool(Receiver, folder, content_type, limit, admit, field_limit)
    try:
        async for piece in body:
            await run_in_threadpool(receiver.feed, piece)
        yield await run_in_threadpool(receiver.finish)
    finally:
        await run_in_threadpool(receiver.discard)


class Receiver:
    """Parse the body piece by piece; `limit`: bytes of the file. Blocking: call it off the event loop."""

    def __init__(
        self,
        folder: Path,
        content_type: str,
        limit: int,
        admit: Admit | None = None,
        field_limit: int = _FIELD_LIMIT,
    ) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise Invalid(_MALFORMED)
        self._limit, self._field_limit = limit, field_limit
        self._admit = admit
        self._size = 0
        self._hash = hashlib.sha256()
        self._fields: dict[str, bytes] = {}
        self._file_name: str | None = None
        self._ended = False
        self._header, self._value, self._disposition = b"", b"", b""
        self._field: str | None = None
        try:  # before there is a file that somebody would have to delete
            self._parser = MultipartParser(options[b"boundary"], self._callbacks())
        except FormParserError:
            raise Invalid(_MALFORMED) from None
        self._spool = tempfile.NamedTemporaryFile(dir=folder, suffix=PART, delete=False)  # noqa: SIM115

    def feed(self, piece: bytes) -> None:
        """Process the next piece of the body; TooLarge or Invalid end the upload."""
        try:
            self._parser.write(piece)
        except MultipartParseError:
            self._let_in()
            raise Invalid(_MALFORMED) from None

    def finish(self) -> Upload:
        """Return the upload after the end of the body; Invalid if it is incomplete."""
        with _on_disk():
            self._spool.close()
        self._let_in()
        if not self._ended:
            raise Invalid("The upload was interrupted. Upload the file again.")
        if self._file_name is None:
            raise Invalid("The upload contains no file. Send it in the field “file”.", field="file")
        name = self._file_name.replace("\\", "/").rpartition("/")[2] or "file"
        fields = {key: value.decode("utf-8", "replace").strip() for key, value in self._fields.items()}
        return Upload(
            Path(self._spool.name), UploadedFile(shown_name(name), self._hash.hexdigest(), self._size), fields
        )

    def discard(self) -> None:
        with suppress(OSError):  # data that could not be written
            self._spool.close()
        Path(self._spool.name).unlink(missing_ok=True)

    def _let_in(self) -> None:
        if self._admit is not None:
            admit, self._admit = self._admit, None
            admit(self._fields)

    # ---- parser callbacks

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_end": self._all_ends,
        }

    def _part_begins(self) -> None:
        self._disposition = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            if name in self._fields:
                field = f"body.{name[:40]}"
                raise Invalid(GIVEN_TWICE, field=field)
            self._field, self._fields[name] = name, b""
            return
        if self._file_name is not None:
            raise Invalid("The upload contains two files. Upload one file at a time.", field=name)
        self._let_in()
        self._field = None
        self._file_name = options[b"filename"].decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._field is not None:
            self._fields[self._field] += piece
            if sum(map(len, self._fields.values())) > self._field_limit:
                raise TooLarge("The fields beside the file are too long.", field=self._field)
            return
        self._size += len(piece)
        if self._size > self._limit:
            raise TooLarge(
                "The file is larger than {limit} bytes. Split a list or compress it as .csv.gz; "
                "scan a document at a lower resolution.",
                limit=self._limit,
            )
        self._hash.update(piece)
        with _on_disk():
            self._spool.write(piece)

    def _all_ends(self) -> None:
        self._ended = True
