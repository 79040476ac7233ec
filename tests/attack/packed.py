"""How hostile files are written: archives and streams as large as is wanted, a piece at a time."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import xlsxwriter

MB = 1024**2
SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
SPACE = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_HEAD = b'<row r="1"><c t="inlineStr"><is><t>phone</t></is></c></row>'
Pieces = Iterable[bytes]


def many(piece: bytes, size: int) -> Pieces:
    """The piece again and again, until there are so many bytes of it."""
    at_once = piece * max(1, MB // len(piece))
    left = size // len(piece)
    while left > 0:
        count = min(left, len(at_once) // len(piece))
        yield at_once[: count * len(piece)]
        left -= count


def plain_book() -> bytes:
    """An honest .xlsx of one sheet with one text in it."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made)
    book.add_worksheet().write_string(0, 0, "a text")  # so that there is a table of texts
    book.close()
    return made.getvalue()


def archive(path: Path, parts: Mapping[str, Pieces], method: int = zipfile.ZIP_DEFLATED) -> None:
    """A .zip of these."""
    with zipfile.ZipFile(path, "w", method, compresslevel=6) as new:
        for name, pieces in parts.items():
            with new.open(name, "w", force_zip64=True) as out:
                for piece in pieces:
                    out.write(piece)


def parts_of(rows: Pieces, strings: Pieces = (), **more: Pieces) -> dict[str, Pieces]:
    """The parts of an .xlsx whose one sheet has these rows as they stand."""
    found: dict[str, Pieces] = {}
    with zipfile.ZipFile(io.BytesIO(plain_book())) as old:
        for name in old.namelist():
            found[name] = [old.read(name)]
    found[SHEET] = _around(
        b"<worksheet " + SPACE + b"><sheetData>" + _HEAD, rows, b"</sheetData></worksheet>"
    )
    if strings:
        found[STRINGS] = _around(b"<sst " + SPACE + b">", strings, b"</sst>")
    return found | more


def _around(begin: bytes, middle: Pieces, end: bytes) -> Pieces:
    yield begin
    yield from middle
    yield end


def book(path: Path, rows: Pieces, strings: Pieces = (), parts: Mapping[str, Pieces] | None = None) -> None:
    """An .xlsx whose one sheet has these rows as they stand, and these parts in the place of its own."""
    archive(path, parts_of(rows, strings) | dict(parts or {}))


def squeezed(path: Path, begin: bytes, piece: bytes, size: int, end: bytes = b"") -> None:
    """A .gz of so many bytes; members that are the same are packed once."""
    whole = b"".join(many(piece, 64 * MB))
    member, count = gzip.compress(whole, 6), max(1, size // len(whole))
    with path.open("wb") as out:
        out.write(gzip.compress(begin, 6))
        for _ in range(count):
            out.write(member)
        if end:
            out.write(gzip.compress(end, 6))


def written(path: Path, *pieces: Pieces | bytes) -> None:
    """A file of these bytes."""
    with path.open("wb") as out:
        for each in pieces:
            for piece in [each] if isinstance(each, bytes) else each:
                out.write(piece)


def lie(path: Path, name: str, size: int) -> None:
    """Let the directory of an archive say another size of this member, unpacked, than it has."""
    with zipfile.ZipFile(path) as old:
        start = old.start_dir
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02", start)
    while content[at + 46 : at + 46 + len(name)] != name.encode():
        at = content.index(b"PK\x01\x02", at + 4)
    content[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(content)


def encrypted(path: Path) -> None:
    """Let every entry of the archive's directory say that it is encrypted."""
    content, at = bytearray(path.read_bytes()), 0
    for mark, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)


def overlapping(path: Path, count: int, size: int) -> None:
    """Many names in a directory for one and the same packed content."""
    one = io.BytesIO()
    with zipfile.ZipFile(one, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("xl/a.xml", b" " * size)
    whole = one.getvalue()
    start = whole.index(b"PK\x01\x02")
    entry = whole[start : whole.index(b"PK\x05\x06")]
    directory = b"".join(entry.replace(b"xl/a.xml", f"xl/{n:05}"[:8].encode()) for n in range(count))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    path.write_bytes(whole[:start] + directory + end)
