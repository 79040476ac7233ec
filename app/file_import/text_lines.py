"""Lines of an uploaded text file, plain or .gz, in any supported encoding, with limits on length and size."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from app.core.errors import Invalid
from app.file_import.columns import HEAD_ROWS, Columns

UNPACKED_LIMIT = 4 * 1024**3  # bytes; a .gz or .xlsx that unpacks to more is not a table
LINE_LIMIT = 4096  # characters
_UNPACKED = 16 * 1024**2  # bytes that any .gz may unpack to; large ones up to _RATIO times their size
_RATIO = 200
_HEAD = 1 << 18  # bytes examined to detect the encoding
_BLOCK = 1 << 15  # bytes per read, so that derived data stays in the CPU cache
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SEPARATORS = re.compile(r"[,;\t|]")
_SAVE_AS = "Save it as “CSV UTF-8” (or as .xlsx) and upload it again."


class TextBlock(NamedTuple):
    """Lines of a file, numbered from `first`. A line over the limit may be cut, but remains over it."""

    first: int
    lines: list[str]


@contextmanager
def readable() -> Iterator[None]:
    """Turn errors of reading a file into sentences."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Invalid(
            "The .gz file is damaged or incomplete. Compress the list again and upload it."
        ) from None
    except OSError as error:
        raise Invalid(
            "The file cannot be read ({why}).", why=error.strerror or "no reason given by the system"
        ) from None


def line_blocks(file: BinaryIO, columns: Columns, limit: int = UNPACKED_LIMIT) -> Iterator[TextBlock]:
    """Yield the lines of a text file in blocks, with any line ends; Invalid if it can't be decoded."""
    number, carry = 1, ""
    for block in _texts(file, columns, limit):
        lines = (carry + block).split("\n")
        # Cut an endless line: it stays over the limit, and memory stays small.
        carry = lines.pop()[: LINE_LIMIT + 1]
        yield TextBlock(number, lines)
        number += len(lines)
    if carry:
        yield TextBlock(number, [carry])


def no_text(line: int) -> Invalid:
    """Build the error for NUL characters, which mean that the file is binary."""
    return Invalid(
        "Line {line} contains a NUL character, so this is not a CSV text file. {remedy}",
        line=line,
        remedy=_SAVE_AS,
    )


def _unpacked(file: BinaryIO) -> BinaryIO | gzip.GzipFile:
    magic = file.read(2)
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if magic == b"\x1f\x8b" else file


def _texts(raw: BinaryIO, columns: Columns, limit: int) -> Iterator[str]:
    """Yield the decoded text in blocks, with every line end as \\n."""
    file = _unpacked(raw)
    head = file.read(_HEAD)
    encoding = _encoding(head, columns)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    lines = size = 0
    block = head
    while True:
        size += len(block)
        if size > limit:
            raise Invalid(
                "The uncompressed file is larger than {limit} bytes. Split it and upload the parts.",
                limit=limit,
            )
        if size > _UNPACKED and file is not raw and size > _RATIO * raw.tell():
            raise Invalid(
                "The .gz file expands to more than {n} times its size, which is not plausible for a table.",
                n=_RATIO,
            )
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = lines + 1 + error.object[: error.start].count(b"\n")
            raise Invalid(
                "Line {line} cannot be read as {encoding}, unlike the other lines. {remedy}",
                line=line,
                encoding=encoding,
                remedy=_SAVE_AS,
            ) from None
        lines += text.count("\n")
        yield text
        if not block:
            return
        block = file.read(_BLOCK)


def _encoding(head: bytes, columns: Columns) -> str:
    """Detect UTF-8 and UTF-16 by byte order mark, UTF-8 by trial, CP1258 if it makes the header readable."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError as error:
        if _has_cp1258_header(head, columns):
            return "cp1258"
        line = 1 + head[: error.start].count(b"\n")
        raise Invalid(
            "Line {line} is not UTF-8, and its encoding is unknown. {remedy}", line=line, remedy=_SAVE_AS
        ) from None
    return "utf-8"


def _has_cp1258_header(head: bytes, columns: Columns) -> bool:
    text = head.decode("cp1258", "replace")
    rows = [_SEPARATORS.split(line) for line in text.splitlines()[:HEAD_ROWS]]
    titled = [row for row in rows if columns.find([row]) and not all(cell.isascii() for cell in row)]
    return bool(titled)
