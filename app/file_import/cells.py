"""Make cell contents safe to store, to display, and to write to other files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from app.core.phone import mask

VALUE_LENGTH = 80
# Wide ones too: some spreadsheets read them as the narrow ones, and skip blanks that are before or not seen.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_SKIPPED = " \u00a0\u3000\u200b\u200c\u200d\u2060\ufeff"
# Where the list separator is a semicolon, as in Vietnam, programs split our cells there and at line ends.
_BEGINS_ANEW = re.compile('(?<=[;\t\r\n])("*)(?=[=+@\uff1d\uff0b\uff0d\uff20-])')
# Characters that XML can't represent, and so neither documents nor workbooks.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_ROWS = 500


def shown(raw: str) -> str:
    """Prepare a bad line for storage and display: mask digits, put it on one line, shorten it."""
    text = mask(raw[: 4 * VALUE_LENGTH])[:VALUE_LENGTH]
    return "".join(char if char.isprintable() else " " for char in text)


def printable(text: str) -> str:
    """Remove control characters and surrogates, which documents can't hold; keep line ends and tabs."""
    return _CONTROLS.sub("", text)


def safe(cell: str) -> str:
    """Prevent spreadsheets from reading the cell as a formula."""
    inner = _BEGINS_ANEW.sub(r"\1'", cell)
    return f"'{inner}" if cell.lstrip(_SKIPPED).startswith(_FORMULA_STARTS) else inner


def csv_pieces(header: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a CSV file in pieces, starting with the byte order mark by which Excel recognizes UTF-8."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(header)
    for count, row in enumerate(rows, 1):
        writer.writerow(row)
        if count % _ROWS == 0:
            yield _drain(buffer)
    yield _drain(buffer)


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
