"""What stood in a file, fit to be stored, to be seen and to be written to another file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from app.core.phone import mask

VALUE_LENGTH = 80
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# Where lists are separated by semicolons, as in Viet Nam, programs cut our cells there and at ends of lines.
_BEGINS_ANEW = re.compile('(?<=[;\t\r\n])("*)(?=[=+@-])')
# What XML has no place for, in whose files papers and workbooks are.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_ROWS = 500


def shown(raw: str) -> str:
    """What a bad line says, fit to be stored and seen: digits masked, on one line, cut."""
    text = mask(raw[: 4 * VALUE_LENGTH])[:VALUE_LENGTH]
    return "".join(char if char.isprintable() else " " for char in text)


def printable(text: str) -> str:
    """Without control characters and half characters, which no paper can hold; line ends and tabs stay."""
    return _CONTROLS.sub("", text)


def safe(cell: str) -> str:
    """The cell as text even to a program that would read a formula in it."""
    inner = _BEGINS_ANEW.sub(r"\1'", cell)
    return f"'{inner}" if cell.startswith(_FORMULA_STARTS) else inner


def csv_pieces(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A CSV file in pieces, the first with the mark by which Excel knows UTF-8."""
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
