"""Sixty files and more that are made to fill memory, disk or time; each is made anew, none is kept."""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.attack.packed import (
    MB,
    SHEET,
    SPACE,
    STRINGS,
    archive,
    book,
    encrypted,
    lie,
    many,
    overlapping,
    plain_book,
    squeezed,
    written,
)

Make = Callable[[Path], None]
GB = 1024 * MB
_CELL = b'<row r="2"><c t="inlineStr"><is><t>%s</t></is></c></row>'
_SHEET = b"<worksheet " + SPACE + b"><sheetData>%s</sheetData></worksheet>"
_RELS = "xl/_rels/workbook.xml.rels"
_BEGIN, _END = _CELL.split(b"%s")


def _row(inner: bytes, count: int) -> Make:
    """A row of so many of these."""
    return lambda path: book(path, [b"<row>", *many(inner, len(inner) * count), b"</row>"])


def _rows(row: bytes, count: int) -> Make:
    return lambda path: book(path, many(row, len(row) * count))


def _cell(size: int, begin: bytes = b"", end: bytes = b"") -> Make:
    """One cell of so many bytes."""
    return lambda path: book(path, [_BEGIN, begin, *many(b"1", size), end, _END])


def _texts(text: bytes, size: int) -> Make:
    return lambda path: book(path, [], many(text, size))


def _part(name: str, begin: bytes, piece: bytes, size: int, end: bytes = b"") -> Make:
    """A workbook of which one part is all of this."""
    return lambda path: book(path, [], parts={name: [begin, *many(piece, size), end]})


def _whole_sheet(*pieces: bytes) -> Make:
    return lambda path: book(path, [], parts={SHEET: pieces})


def _attributes(path: Path) -> None:
    book(path, [b"<row ", *(b'a%d="" ' % n for n in range(3_000_000)), b"/>"])


def _deep(path: Path) -> None:
    book(path, [b"<row>", *many(b"<x>", 3 * MB), *many(b"</x>", 4 * MB), b"</row>"])


def _laughs(path: Path) -> None:
    entities = b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    doc = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">' + entities + b"]>"
    book(
        path, [], parts={SHEET: [doc, b"<worksheet " + SPACE + b"><sheetData>&a11;</sheetData></worksheet>"]}
    )


def _outside(path: Path) -> None:
    doc = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    book(path, [], parts={SHEET: [doc, _SHEET % b"&a;"]})


def _lying(path: Path) -> None:
    book(path, many(b"<row/>", 400 * MB))
    lie(path, SHEET, 1000)


def _lying_gz(path: Path) -> None:
    squeezed(path, b"phone\n", b"\n", 64 * MB)
    with path.open("r+b") as out:
        out.seek(-4, os.SEEK_END)
        out.write(b"\0\0\0\0")


def _nested(path: Path, depth: int, name: str) -> None:
    inner = path.with_suffix(".inner")
    squeezed(inner, b"phone\n", b"\n", GB)
    for _ in range(depth):
        archive(path, {name: [inner.read_bytes()]})
        inner.write_bytes(path.read_bytes())
    inner.unlink()


def _nested_gz(path: Path) -> None:
    squeezed(path, b"phone\n", b"\n", GB)
    for _ in range(3):
        path.write_bytes(gzip.compress(path.read_bytes()))


def _members(path: Path, count: int) -> None:
    archive(path, {f"xl/worksheets/sheet{n}.xml": [b"x"] for n in range(count)})


def _ods(path: Path) -> None:
    head = b'<?xml version="1.0"?><office:document-content xmlns:office="o" xmlns:table="t"><table:table>'
    row = b'<table:table-row table:number-rows-repeated="1048576"><table:table-cell/></table:table-row>'
    parts = {"mimetype": [b"application/vnd.oasis.opendocument.spreadsheet"]}
    archive(path, parts | {"content.xml": [head, *many(row, 200 * MB), b"</table:table>"]})


def _cut(path: Path) -> None:
    squeezed(path, b"phone\n", b"912345678\n", 64 * MB)
    with path.open("r+b") as out:
        out.truncate(path.stat().st_size - 100)


def _duplicate(path: Path) -> None:
    book(path, many(b"<row/>", MB))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as more:
        more.writestr(SHEET + "x", b" " * (60 * MB))
    content = path.read_bytes()
    path.write_bytes(content.replace((SHEET + "x").encode(), (SHEET + "\0").encode()))


def _sheets(path: Path) -> None:
    """So many sheets in the list, and each is the one that is there."""
    one = b'<sheet name="s%d" sheetId="%d" r:id="rId1"/>'
    head = (
        b'<workbook %s xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    )
    listed = [one % (n, n) for n in range(1, 50_000)]
    book(path, [], parts={"xl/workbook.xml": [head % SPACE, *listed, b"</sheets></workbook>"]})


def _locked(path: Path) -> None:
    path.write_bytes(plain_book())
    encrypted(path)


def _lzma(path: Path) -> None:
    archive(path, {SHEET: many(b"<row/>", 64 * MB)}, zipfile.ZIP_LZMA)


# What is read row by row out of a .zip, and what only looks like one.
WORKBOOKS: dict[str, Make] = {
    "68 million empty rows": _rows(b"<row/>", 68_000_000),
    "more rows than Excel has, under the ratio": _rows(b'<x:row xmlns:x="x"/>', 1_100_000),
    "a million rows of nothing": _rows(b"<row><c/></row>", 1_040_000),
    "a cell of 600 MB": _cell(600 * MB),
    "a cell of 5 MB": _cell(5 * MB),
    "a comment of 500 MB": _cell(500 * MB, b"<!--", b"-->"),
    "a CDATA of 500 MB": _cell(500 * MB, b"<![CDATA[", b"]]>"),
    "three million attributes": _attributes,
    "a row of a million cells": _row(b"<c/>", 1_000_000),
    "a row of 30 million cells": _row(b"<c/>", 30_000_000),
    "a row of 300 cells": _row(b"<c><v>1</v></c>", 300),
    "far columns": _rows(b'<row><c r="XFD2"><v>1</v></c></row>', 1_000_000),
    "far columns that are blank": _rows(b'<row><c r="XFD2"/></row>', 200_000),
    "a row numbered below zero": _rows(b'<row r="-5"><c><v>1</v></c></row>', 1000),
    "a row numbered by a billion": _rows(b'<row r="999999999"><c><v>1</v></c></row>', 1000),
    "a row of a number of 4 MB": lambda path: book(path, [b'<row r="', *many(b"9", 4 * MB), b'"/>']),
    "a million tags in each other": _deep,
    "five million runs in a cell": _cell(0, b"</t>" + b"<r><t>1</t></r>" * 5_000_000 + b"<t>"),
    "20 million texts": _texts(b"<si/>", 100 * MB),
    "texts of a gigabyte": _texts(b"<si><t>1</t></si>", GB),
    "one text of 600 MB": lambda path: book(path, [], [b"<si><t>", *many(b"1", 600 * MB), b"</t></si>"]),
    "a picture of a gigabyte": _part("xl/media/a.png", b"", b" ", GB),
    "styles of 500 MB": _part("xl/styles.xml", b"<styleSheet %s><cellXfs>" % SPACE, b"<xf/>", 500 * MB),
    "a list of sheets of 100 MB": _part("xl/workbook.xml", b"<workbook %s>" % SPACE, b"<x/>", 100 * MB),
    "50,000 sheets": _sheets,
    "types of 100 MB": _part("[Content_Types].xml", b"<Types>", b"<Override/>", 100 * MB),
    "relations of 100 MB": _part(
        "xl/_rels/workbook.xml.rels", b"<Relationships>", b"<Relationship/>", 100 * MB
    ),
    "properties of 100 MB": _part("docProps/core.xml", b"<x>", b"<y/>", 100 * MB, b"</x>"),
    "a billion laughs": _laughs,
    "an entity of this machine": _outside,
    "a sheet in UTF-16": _whole_sheet("<?xml version='1.0' encoding='utf-16'?><worksheet/>".encode("utf-16")),
    "a sheet that is no XML": _whole_sheet(os.urandom(MB)),
    "a sheet that ends in the middle": _whole_sheet(b"<worksheet " + SPACE + b"><sheetData><row><c>"),
    "NULs in a sheet": _whole_sheet(b"<worksheet " + SPACE + b"><sheetData>" + b"\0" * MB),
    "five million merged cells": _part(
        SHEET, b"<worksheet %s><sheetData/><mergeCells>" % SPACE, b'<mergeCell ref="A1:XFD9"/>', 150 * MB
    ),
    "a size that is a lie": _lying,
    "70,000 members": partial(_members, count=70_000),
    "9,000 sheets": partial(_members, count=9000),
    "one content under 60,000 names": lambda path: overlapping(path, 60_000, 10 * MB),
    "one name twice": _duplicate,
    "a .zip in a .zip in a .zip": lambda path: _nested(path, 3, "xl/workbook.xml"),
    "a path out of the archive": lambda path: archive(path, {"../../../tmp/loa": [b"x"], SHEET: [b"x"]}),
    "packed by LZMA": _lzma,
    "encrypted": _locked,
    "an .ods of a billion rows": _ods,
    "nothing behind the mark of a .zip": lambda path: written(path, b"PK\x03\x04" + os.urandom(MB)),
    "a table of texts that is missing": lambda path: book(
        path, [b'<row r="2"><c t="s"><v>99999999</v></c></row>'], parts={STRINGS: [b"<sst/>"]}
    ),
}
# What is read line by line.
LINES: dict[str, Make] = {
    "a .gz of four gigabytes of line ends": lambda path: squeezed(path, b"phone\n", b"\n", 4 * GB),
    "a .gz of five gigabytes of NULs": lambda path: squeezed(path, b"phone\n", b"\0", 5 * GB),
    "a .gz of one line of a gigabyte": lambda path: squeezed(path, b"phone\n", b"1", GB),
    "a .gz of 33 million bad lines": lambda path: squeezed(path, b"phone\n", b"x\n", 64 * MB),
    "a .gz of 150 million bad lines": lambda path: squeezed(path, b"phone\n", b"x\n", 320 * MB),
    "a .gz of 40 million times one number": lambda path: squeezed(path, b"phone\n", b"912345678\n", 384 * MB),
    "a .gz of rows of 10,000 cells": lambda path: squeezed(path, b"phone\n", b";" * 10_000 + b"\n", 256 * MB),
    "a .gz of a quote that never ends": lambda path: squeezed(path, b'phone\n"', b"1\n", 512 * MB),
    "a .gz of a header of a million columns": lambda path: squeezed(
        path, b"phone;" * 1_000_000, b"1\n", 64 * MB
    ),
    "a .gz in a .gz in a .gz": _nested_gz,
    "a .gz that is cut": _cut,
    "a .gz with a size that is a lie": _lying_gz,
    "100,000 empty .gz in one": lambda path: written(path, gzip.compress(b"") * 100_000),
    "a .gz with dirt behind it": lambda path: written(
        path, gzip.compress(b"phone\n912345678\n"), os.urandom(MB)
    ),
    "a line of 20 MB": lambda path: written(path, b"phone\n", many(b"1", 20 * MB)),
    "NULs alone": lambda path: written(path, many(b"\0", 20 * MB)),
    "what chance has written": lambda path: written(path, os.urandom(20 * MB)),
    "ten million bad lines": lambda path: written(path, b"phone\n", many(b"x\n", 20 * MB)),
    "a quote that never ends": lambda path: written(path, b'phone\n"', many(b"1\n", 20 * MB)),
    "half a character of UTF-16": lambda path: written(path, b"\xff\xfep\0h\0o\0n\0e\0\n\0\xd8"),
    "line ends of a typewriter": lambda path: written(path, b"phone\r", many(b"912345678\r", 10 * MB)),
    "formulas": lambda path: written(path, b"phone\n", many(b"=cmd|' /C calc'!A0\n", 4 * MB)),
    "nothing": lambda path: written(path, b""),
    "a header alone": lambda path: written(path, b"phone\n"),
}
QUICK = (
    *("a row of 300 cells", "a cell of 5 MB", "a billion laughs", "encrypted", "a path out of the archive"),
    *("half a character of UTF-16", "a header alone"),
)
# Of which something is stored.
STORED = (
    *("a .gz of 33 million bad lines", "ten million bad lines", "a .gz of 40 million times one number"),
    *("formulas", "far columns"),
)
